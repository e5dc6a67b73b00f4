"""whynot-bench http against servers whose times are known: percentiles, omission, what it sends, what it counts."""
import base64
import functools
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from known_server import KnownServer

SLACK_MS = 150  # a shared machine; less than what lies between the delays below


def bench(url, *options):
    command = [os.environ["WHYNOT_BENCH"], "http", url, "--json", "--warmup", "0", *map(str, options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def best_of_three(test):
    """What is judged is the generator's clock; a machine that stops both it and the server for a while proves nothing against it: where more wants to run
    than two for each core, a test that failed three times is skipped, not failed."""
    @functools.wraps(test)
    def tried(self):
        for last in (False, False, True):
            try:
                return test(self)
            except AssertionError as e:
                if last and os.getloadavg()[0] > 2 * os.cpu_count():
                    self.skipTest("the machine is too busy to judge a clock: %s" % e)
                if last:
                    raise
    return tried


class Times(unittest.TestCase):
    @best_of_three
    def test_percentiles_are_those_of_the_server(self):
        delays = [0.005] * 88 + [0.1] * 9 + [0.3] * 3
        with KnownServer(lambda i: delays[i * 37 % 100]) as s:
            for arrivals in ("constant", "poisson"):
                s.seen.clear()
                r = bench(s.url(), "--rate", 200, "--duration", 2, "--arrivals", arrivals)
                t = r["latency_ms"]["ok"]
                self.assertEqual((r["mode"], r["errors"]), (arrivals, {"timeout": 0, "connect": 0, "cut": 0}))
                self.assertEqual(r["requests"], r["status"]["200"])
                self.assertEqual(len(s.seen), r["requests"])
                if arrivals == "constant":
                    self.assertEqual(r["requests"], 400)
                else:
                    self.assertTrue(abs(r["requests"] - 400) < 5 * 20, r["requests"])
                for name, least in (("p50", 5), ("p95", 100), ("p99", 300), ("max", 300)):
                    self.assertGreaterEqual(t[name], least, t)
                    self.assertLess(t[name], least + SLACK_MS, t)

    @best_of_three
    def test_a_stall_is_seen_in_every_request_that_was_meant_to_start_meanwhile(self):
        """A closed loop (and a clock that starts when a request is sent) sees one slow request. Half of a second in two: p75 must be high."""
        for connections in (1, 64):  # with one, all others wait inside the generator
            with KnownServer(lambda i: 0.001) as s:
                s.stall(0.3, 1.0)
                r = bench(s.url(), "--rate", 100, "--duration", 2, "--arrivals", "constant", "--connections", connections)
                self.assertEqual(r["requests"], 200)
                self.assertGreater(r["latency_ms"]["all"]["p75"], 300, r)
                self.assertGreater(r["latency_ms"]["all"]["p90"], 700, r)
                self.assertEqual(r["most_connections"] <= connections, True)
                self.assertEqual(r["most_backlog"] > 50, connections == 1)
        with KnownServer(lambda i: 0.001) as s:
            s.stall(0.3, 1.0)
            r = bench(s.url(), "--clients", 1, "--duration", 2)
            self.assertEqual(r["mode"], "closed")
            self.assertLess(r["latency_ms"]["all"]["p90"], 300, "the closed loop is blind here, as its table says")

    @best_of_three
    def test_poisson_gaps_vary_and_constant_ones_do_not(self):
        def spread(arrivals):
            stamps = []
            with KnownServer(reply=lambda *a: (stamps.append(time.monotonic()), (200, {}, b"", False))[1]) as s:
                bench(s.url(), "--rate", 100, "--duration", 1, "--arrivals", arrivals)
            gaps = sorted(b - a for a, b in zip(stamps, stamps[1:]))[:-4]  # a hiccup of the machine is not the generator's
            mean = sum(gaps) / len(gaps)
            return (sum((g - mean) ** 2 for g in gaps) / len(gaps)) ** 0.5 / mean
        self.assertLess(min(spread("constant") for _ in range(5)), 0.5)  # a busy machine only adds to it
        self.assertTrue(0.6 <= spread("poisson"))

    @best_of_three
    def test_closed_loop_keeps_n_clients_busy(self):
        with KnownServer(lambda i: 0.02) as s:
            r = bench(s.url(), "--clients", 10, "--duration", 1.5)
            self.assertEqual(r["most_connections"], 10)
            self.assertEqual(s.connections, 10)
            self.assertGreater(r["goodput"], 10 / 0.02 * 0.5)
            self.assertLess(r["goodput"], 10 / 0.02 * 1.02)

    @best_of_three
    def test_warm_up_is_sent_and_not_counted(self):
        with KnownServer(lambda i: 0.2 if i < 20 else 0.001) as s:
            r = bench(s.url(), "--rate", 40, "--arrivals", "constant", "--warmup", 0.5, "--duration", 0.5)
            self.assertEqual((len(s.seen), r["requests"]), (40, 20))
            self.assertLess(r["latency_ms"]["all"]["max"], 199)


class Failures(unittest.TestCase):
    @best_of_three
    def test_every_status_is_counted_and_refusals_have_times_of_their_own(self):
        statuses = [200, 200, 429, 503, 404]
        with KnownServer(lambda i: 0.1 if statuses[i % 5] == 200 else 0, lambda i, *a: (statuses[i % 5], {}, b"x" * 100, False)) as s:
            r = bench(s.url(), "--rate", 100, "--arrivals", "constant", "--duration", 1)
            self.assertEqual(r["status"], {"200": 40, "404": 20, "429": 20, "503": 20})
            self.assertEqual((r["latency_ms"]["ok"]["n"], r["latency_ms"]["refused"]["n"]), (40, 40))
            self.assertLess(r["latency_ms"]["refused"]["p50"], 99)
            self.assertGreaterEqual(r["latency_ms"]["ok"]["min"], 100)

    def test_what_is_never_answered_times_out_with_its_time_counted(self):
        with KnownServer(lambda i: 5.0 if i % 2 else 0) as s:
            r = bench(s.url(), "--rate", 50, "--arrivals", "constant", "--duration", 0.4, "--timeout-ms", 300)
            self.assertEqual((r["errors"]["timeout"], r["status"]), (10, {"200": 10}))
            self.assertGreaterEqual(r["latency_ms"]["all"]["p99"], 300)

    def test_a_port_where_nobody_listens(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            r = bench("http://127.0.0.1:%d/" % s.getsockname()[1], "--rate", 100, "--arrivals", "constant", "--duration", 0.2)
            self.assertEqual((r["errors"]["connect"], r["answered"]), (20, 0))

    def test_a_connection_that_ends_in_an_answer_is_cut_and_one_that_rested_is_renewed(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            def serve():
                for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                               b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
                    c, _ = listener.accept()
                    c.recv(65536)
                    c.sendall(answer)
                    c.close()
            t = threading.Thread(target=serve)
            t.start()
            r = bench("http://127.0.0.1:%d/" % listener.getsockname()[1], "--rate", 10, "--arrivals", "constant", "--duration", 0.3, "--connections", 1)
            t.join()
            self.assertEqual((r["errors"]["cut"], r["status"]), (1, {"200": 2}))


class Sending(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.data = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300
        self.write("a.png", self.data)

    def write(self, name, data):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def test_bodies_encodings_and_questions_are_mixed_and_whole(self):
        self.write("b.json", b'{"instances": []}')
        with tempfile.TemporaryDirectory() as other:
            questions = os.path.join(other, "q.txt")
            with open(questions, "w") as f:
                f.write("target=1\n# a remark\n?target=2&why_not=3\n")
            with KnownServer() as s:
                bench(s.url("/v1/x?top_k=1"), "--rate", 300, "--duration", 1, "--body", self.folder.name, "--encoding", "raw,json,form",
                      "--questions", questions, "--header", "X-Key: abc")
        seen = {}
        for method, path, headers, body in s.seen:
            kind = headers["content-type"].split(";")[0]
            seen.setdefault(kind, set()).add(path)
            self.assertEqual((method, headers["x-key"]), ("POST", "abc"))
            if kind == "image/png":
                self.assertEqual(body, self.data)
            elif kind == "multipart/form-data":
                boundary = headers["content-type"].split("boundary=")[1].encode()
                part = body.split(b"--" + boundary)[1]
                self.assertEqual(part.split(b"\r\n\r\n", 1)[1], self.data + b"\r\n")
            elif b"instances" not in body:
                self.assertEqual(base64.b64decode(json.loads(body)["image"]["b64"], validate=True), self.data)
        both = {"/v1/x?top_k=1&target=1", "/v1/x?top_k=1&target=2&why_not=3"}
        self.assertEqual(seen, {"image/png": both, "application/json": both, "multipart/form-data": both})

    def test_keep_alive_or_a_connection_for_each(self):
        for options, connections in (((), 1), (("--no-keep-alive",), 20)):
            with KnownServer() as s:
                bench(s.url(), "--rate", 100, "--arrivals", "constant", "--duration", 0.2, "--connections", 1, *options)
                self.assertEqual((len(s.seen), s.connections), (20, connections))

    def test_chunked_answers_and_interim_ones_keep_the_connection(self):
        with KnownServer(reply=lambda *a: (200, {}, b"0123456789" * 5, True)) as s:
            r = bench(s.url(), "--rate", 100, "--arrivals", "constant", "--duration", 0.2, "--connections", 1, "--expect", "--body", self.folder.name)
            self.assertEqual((r["status"], s.connections, s.seen[0][3]), ({"200": 20}, 1, self.data))

    def test_with_expect_a_refusal_costs_no_body(self):
        with KnownServer() as s:
            s.early["/full"] = 503
            r = bench(s.url("/full"), "--rate", 100, "--arrivals", "constant", "--duration", 0.2, "--expect", "--body", self.folder.name)
            self.assertEqual((r["status"], r["body_bytes_sent"]), ({"503": 20}, 0))

    def test_an_answer_before_the_end_of_the_body_is_still_read(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            big = self.write("big.bin", bytes(8 << 20))

            def serve():
                for _ in range(5):
                    c, _ = listener.accept()
                    c.recv(1000)
                    c.sendall(b"HTTP/1.1 413 Too much\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(1 << 20):
                        pass
                    c.close()
            t = threading.Thread(target=serve)
            t.start()
            r = bench("http://127.0.0.1:%d/" % listener.getsockname()[1], "--rate", 10, "--arrivals", "constant", "--duration", 0.5, "--body", big)
            t.join()
            self.assertEqual(r["status"], {"413": 5}, r)

    def test_the_table_is_for_people_and_the_report_for_machines(self):
        with KnownServer() as s:
            path = os.path.join(self.folder.name, "report")
            command = [os.environ["WHYNOT_BENCH"], "http", s.url(), "--rate", "50", "--duration", "0.2", "--warmup", "0", "--report", path]
            text = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
            self.assertIn("ms from intended start", text)
            with open(path) as f:
                self.assertIn("200", json.load(f)["status"])

    def test_a_table_or_report_that_is_not_whole_is_no_success(self):
        with KnownServer() as s:
            for options in ([], ["--json"], ["--report", "/dev/full"]):
                command = [os.environ["WHYNOT_BENCH"], "http", s.url(), "--rate", "50", "--duration", "0.2", "--warmup", "0", *options]
                with open(os.devnull if "--report" in options else "/dev/full", "w") as out:
                    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=60)
                self.assertEqual((done.returncode, b"is not whole: No space left" in done.stderr), (1, True), (options, done.stderr))

    def test_wrong_options_are_refused(self):
        for options in ([], ["http://x/", "--rate", "-1"], ["http://x/", "--arrivals", "lumpy"], ["http://x/", "--encoding", "raw,x"], ["http://x/", "--nonsense"]):
            done = subprocess.run([os.environ["WHYNOT_BENCH"], "http", *options], stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, b"usage" in done.stderr), (2, True), options)


if __name__ == "__main__":
    unittest.main()
