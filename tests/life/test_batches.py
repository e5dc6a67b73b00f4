"""What a backend's runs cost is measured when a model is loaded, and decides how batches are gathered."""
import tempfile
import unittest

import life
from life import daemon


class Batches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        daemon.tiny_models(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def asked(self, run_ms, clients):
        """(runs, seconds that their pictures waited together) of so many clients at once, where up to 8 pictures are gathered for up to a second."""
        environment = {"WHYNOT_RUN_MS": str(run_ms)} if run_ms else {}
        with life.faulty(self.folder.name, "--max-batch-size", "8", "--max-queue-delay-us", "1000000", environment=environment) as d:
            names = ("whynot_batch_size_count", "whynot_queue_wait_seconds_sum")
            before = [d.metric(n) for n in names]
            daemon.in_threads(clients, lambda i: self.assertEqual(d.explain(daemon.picture(i)).status, 200))
            return [d.metric(n) - b for n, b in zip(names, before)]

    def test_where_a_run_of_eight_costs_as_one_eight_are_waited_for(self):
        runs, waited = self.asked(40, 8)
        self.assertLessEqual(runs, 2)  # one, unless clients were held up for a second
        runs, waited = self.asked(40, 1)
        self.assertEqual(runs, 1)
        self.assertGreater(waited, 0.9)

    def test_where_a_batch_gains_nothing_nobody_waits_for_one(self):
        waits = [self.asked(0, 1)[1] for _ in range(3)]
        self.assertLess(min(waits), 0.8)


if __name__ == "__main__":
    unittest.main()
