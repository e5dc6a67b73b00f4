"""Pictures that take long to decode: they hold up nobody else, and who went away or waited too long has none decoded."""
import os
import tempfile
import threading
import unittest

import daemon
from daemon import picture
from large import DECODED, another_is_answered_beside, answers, decoding, large

GONE = 'whynot_rejected_total{reason="client_gone"}'


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        daemon.tiny_models(cls.folder.name)
        cls.pictures = [large(shade) for shade in (10, 90)]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def start(self, *options):  # two threads read requests, one decodes what is large
        d = daemon.Daemon(self.folder.name, "--http-threads", "2", "--request-timeout-ms", "300000", *options)
        self.addCleanup(d.__exit__, None, None, None)
        return d.__enter__()

    def send(self, d, i, query="", path="/v1/models/tiny/explain"):
        c = d.connect()
        c.request("POST", path + query, self.pictures[i % 2], {"Content-Type": "image/png"})
        return c

    def decoding(self, d, n):
        return decoding(d, lambda i: self.send(d, i), n)

    def test_others_are_answered_while_large_pictures_are_decoded(self):
        d = self.start()
        self.assertTrue(another_is_answered_beside(d, lambda i: self.send(d, i)), "while three large pictures were waited for nobody else was answered")

    def test_an_answer_is_the_same_wherever_its_picture_was_decoded(self):
        d, side = self.start(), 1500  # of 27 ms
        threads = []
        data = large(50, side)
        alone = d.explain(data).json

        def ask(i):
            threads.append(d.explain(data, "?id=%d" % i).json)
        daemon.in_threads(4, ask)
        for answer in threads:
            for key in ("predictions", "maps", "image"):
                self.assertEqual(answer[key], alone[key])

    def decoded_beside(self, d, ask):
        """How many of four are decoded where the last, that of `ask`, is not wanted any more when its turn comes."""
        before = d.metric(DECODED)
        sent = self.decoding(d, 3)
        ask()
        self.assertEqual(answers(sent), [200] * 3)
        daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") == 1)
        return d.metric(DECODED) - before

    def test_the_picture_of_a_client_that_went_away_is_not_decoded(self):
        d = self.start()

        def leave():
            gone, late = d.metric(GONE), self.send(d, 0, "?target=3")
            daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") > 1)
            late.close()
            daemon.wait_until(lambda: d.metric(GONE) == gone + 1)
        # The daemon looks for those who went away now and then, and on a busy machine it may be too late for one.
        self.assertTrue(any(self.decoded_beside(d, leave) == 3 for _ in range(5)))

    def test_a_picture_whose_deadline_passed_is_not_decoded(self):
        d = self.start()

        def be_late():
            a = self.send(d, 0, "?timeout_ms=1").getresponse()
            self.assertEqual(a.status, 504)
        self.assertTrue(any(self.decoded_beside(d, be_late) == 3 for _ in range(5)))
        self.assertGreaterEqual(d.metric('whynot_rejected_total{reason="deadline"}'), 1)

    def test_no_more_are_taken_than_can_be_decoded_in_time(self):
        d = self.start("--max-queue-wait-ms", "500")  # two pictures, by what one is thought to take
        statuses, lock = [], threading.Lock()

        def ask(i):
            a = d.request("POST", "/v1/models/tiny/explain", self.pictures[i % 2], {"Content-Type": "image/png"})
            with lock:
                statuses.append(a.status)
            if a.status != 200:
                self.assertEqual((a.status, a.json["code"]), (429, "QUEUE_FULL"))
                self.assertGreaterEqual(int(a.headers["Retry-After"]), 1)
        daemon.in_threads(8, ask)
        self.assertGreater(statuses.count(429), 0)
        self.assertGreaterEqual(statuses.count(200), 3)
        self.assertEqual(d.metric('whynot_rejected_total{reason="queue_full"}'), statuses.count(429))
        self.assertEqual(d.explain(picture(1)).status, 200)

    def test_a_stop_answers_what_is_being_decoded(self):
        d = self.start()
        sent = self.decoding(d, 3)
        d.process.send_signal(15)
        self.assertEqual([c.getresponse().status for c in sent], [200] * 3)
        self.assertEqual(d.process.wait(60), 0)

    def test_base64_is_weighed_by_what_it_holds(self):
        d = self.start()
        sent = self.decoding(d, 1)
        body = '{"image":{"b64":"%s"}}' % daemon.b64(self.pictures[0])
        c = d.connect()
        c.request("POST", "/v1/models/tiny/explain", body, {"Content-Type": "application/json"})
        a = c.getresponse()
        self.assertEqual(a.status, 200)
        self.assertEqual(sent[0].getresponse().status, 200)
        for c in sent + [c]:
            c.close()


if __name__ == "__main__":
    assert os.environ.get("WHYNOTD"), "WHYNOTD names the daemon"
    unittest.main()
