"""whynot-bench http while its own descriptors and its memory fail: it ends, in words and with status 1, and reports nothing that it did not see."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gates"))
from gate import BENCH, Faults  # noqa: E402
from known_server import KnownServer  # noqa: E402

HANG_S = 60


class Faulty(unittest.TestCase):
    def bench(self, kind, n, on, *options):
        """(status, stdout, stderr, how many calls failed) of a run whose n-th such call fails, alone or with all after it."""
        faults = Faults()
        with KnownServer() as s:
            faults.arm(kind, n, on)
            command = [BENCH, "http", s.url(), "--json", "--duration", "0.3", "--warmup", "0", *options]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANG_S, env={**os.environ, **faults.environment})
            _, failed = faults.disarm()
        return done.returncode, done.stdout.decode(), done.stderr.decode(), failed

    def assert_ends(self, words, kind, n, on, *options):
        status, out, err, failed = self.bench(kind, n, on, *options)
        self.assertEqual((status, out, failed > 0), (1, "", True), (kind, n, on, err))
        self.assertIn(words, err)

    def test_a_timer_that_cannot_be_read_or_set_ends_an_open_loop(self):
        for n in (1, 3):
            for on in (False, True):
                self.assert_ends("the timer cannot be read", "read_eio", n, on, "--rate", "50")
                self.assert_ends("the timer cannot be set", "timer", n, on, "--rate", "50")

    def test_connections_that_cannot_be_waited_for_end_the_run(self):
        for loop in (("--rate", "50"), ("--clients", "2")):
            self.assert_ends("the connections cannot be waited for", "epoll_eio", 2, False, *loop)

    def test_a_connection_that_cannot_be_watched_ends_the_run(self):
        for loop in (("--rate", "50"), ("--clients", "2")):
            self.assert_ends("a connection cannot be watched", "watch", 2, False, *loop)  # the first is the timer's

    def test_a_wait_that_is_always_interrupted_ends_with_its_requests_too_late(self):
        for loop in (("--rate", "50"), ("--clients", "2")):
            status, out, err, failed = self.bench("epoll_eintr", 1, True, "--timeout-ms", "300", *loop)
            self.assertEqual((status, '"answered": 0' in out, failed > 0), (1, True, True), err)

    def test_connections_that_end_in_every_read_are_counted_as_cut(self):
        status, out, err, failed = self.bench("recv_reset", 1, True, "--rate", "50")
        self.assertEqual((status, '"answered": 0' in out, '"cut": 0' in out, failed > 0), (1, True, False, True), err)


if __name__ == "__main__":
    Faults()  # or there is nothing to try here
    unittest.main()
