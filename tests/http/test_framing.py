"""Requests that two parties could cut differently: what is hidden in the first is never executed."""
import os
import re
import socket
import time
import unittest

import asking
import daemon
from daemon import picture

POST = b"POST /v1/models/tiny/explain HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HIDDEN = b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: hidden-one\r\nConnection: close\r\n\r\n"
NEXT = HIDDEN.replace(b"hidden", b"next")
ONE_CHUNK = b"1\r\nx\r\n0\r\n\r\n"


def is_sanitized():
    with open(os.environ["WHYNOTD"], "rb") as f:
        return b"__asan_init" in f.read()


class Framing(asking.Tiny):
    options = ["--header-timeout-ms", "700", "--body-timeout-ms", "1000"]

    def tearDown(self):
        self.assertEqual(self.d.explain(picture(1)).status, 200)

    def refused(self, head, *statuses, body=b"", ours=True, words=None):
        """The one answer is one of those; the connection closes; what stood behind is neither answered nor executed."""
        a = self.d.raw(head + b"\r\n" + body + HIDDEN, timeout=3)
        self.only(a, (head, body), *statuses, ours=ours, words=words)

    def only(self, a, what, *statuses, ours=True, words=None):
        self.assertNotIn(b"hidden-one", a, what)
        self.assertTrue('"request_id":"hidden-one"' not in self.d.errors(), what)
        found = [int(s) for s in re.findall(rb"^HTTP/1\.[01] (\d+)", a, re.M)]
        if daemon.library_is_strict() and b"application/problem+json" not in a:
            self.assertLessEqual(set(found), {400, 413, 431, 505}, (what, a[:400]))
            return
        self.assertTrue(found and all(s in statuses for s in found), (what, a[:400]))
        if ours:
            self.assertEqual(len(found), 1, (what, a))
            self.assertIn(b"application/problem+json", a, what)
            self.assertIn(b"\r\nConnection: close\r\n", a, what)
        if words:
            self.assertIn(words, a, what)

    def test_lines_that_go_on(self):
        """The library takes 'Transfer-Encoding:' CR LF ' chunked' for a header 'Transfer-Encodingchunked'."""
        for head in (POST + b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n", POST + b"Transfer-Encoding:\r\n\tchunked\r\nContent-Length: 5\r\n",
                     POST + b"Content-Length:\r\n 5\r\n", POST + b"X: a\r\n b\r\nContent-Length: 5\r\n", POST + b"Content-Length: 5\r\nX: a\r\n \r\n",
                     POST + b"Content-Length: 5\r\nX: a\r\n b\r\n c\r\n", b"POST /v1/models/tiny/explain HTTP/1.1\r\n Host: 127.0.0.1\r\nHost: localhost\r\n"):
            self.refused(head, 400, body=b"0\r\n\r\n")

    def test_lines_that_do_not_end_in_cr_lf(self):
        for head in (POST.replace(b"\r\n", b"\n") + b"Content-Length: 1\n", POST + b"Content-Length: 1\n", POST + b"X: a\nContent-Length: 1\r\n",
                     b"POST /v1/models/tiny/explain HTTP/1.1\nHost: 127.0.0.1\r\nContent-Length: 1\r\n", POST + b"X: a\rContent-Length: 1\r\n",
                     POST + b"Content-Length: 1\r\r\n", POST + b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 1\r\n"):
            self.refused(head, 400, body=b"x", ours=False)
        for end in (b"\n\r\n", b"\r\n\n", b"\n\n"):
            self.only(self.d.raw(POST + b"Content-Length: 1" + end + b"x" + HIDDEN, timeout=3), end, 400)
            self.only(self.d.raw(GET + b"X: y" + end + HIDDEN, timeout=3), end, 400)

    def test_lines_that_the_library_would_drop(self):
        """A line with an empty name ends the head for the library: what follows would be the next request."""
        for line in (b":\r\n", b": a\r\n", b":a\r\n", b": \r\n"):
            self.refused(POST + line + b"Content-Length: %d\r\n" % len(HIDDEN), 400)
            self.only(self.d.raw(GET + line + HIDDEN, timeout=3), line, 400)

    def test_zero_bytes(self):
        for head in (POST + b"X: a\0b\r\nContent-Length: 1\r\n", POST + b"Content-Length: 1\0\r\n", POST + b"Content-Length: 1\0 0\r\n",
                     POST + b"X\0: a\r\nContent-Length: 1\r\n", POST + b"Content-Length: 1\r\nX: a\0\r\n",
                     b"GET /livez\0/x HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"GET\0 /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n",
                     b"GET /livez HTTP/1.1\0\r\nHost: 127.0.0.1\r\n"):
            self.refused(head, 400, 405, body=b"x", ours=False)

    def test_names_and_values(self):
        for line in (b"Transfer-Encoding : chunked", b"Content-Length : 5", b"X Y: a", b"X\x01: a", b"X\xff: a", b"X: \x01", b"X: a\x7f", b"X: \x1b[2J",
                     b"\"X\": a", b"X@: a"):
            self.refused(POST + line + b"\r\n", 400, body=b"0\r\n\r\n")
        for line in (b"nothing", b"GET /version HTTP/1.1"):
            self.refused(POST + line + b"\r\n", 400, ours=False)

    def test_length_and_chunked_together_or_twice(self):
        chunked, length = b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"
        for lines in (length + chunked, chunked + length, length + length, length + b"Content-Length: 6\r\n", chunked + chunked,
                      chunked + b"Transfer-Encoding: identity\r\n", b"transfer-encoding: identity\r\n" + length):
            self.refused(POST + lines, 400, body=b"0\r\n\r\n")
            self.refused(POST.replace(b"Host: 127.0.0.1\r\n", b"") + lines + b"Host: 127.0.0.1\r\n", 400, body=b"0\r\n\r\n")

    def test_codings_other_than_chunked(self):
        blank = () if daemon.library_is_strict() else (b"chunked ",)  # which it takes off, as the standard says
        for value in (*blank, b"gzip, chunked", b"xchunked", b"chunked, chunked", b"\x0bchunked", b"identity", b"", b"chunked;q=1", b"\"chunked\"", b"chunked,"):
            self.refused(POST + b"Transfer-Encoding: " + value + b"\r\n", 400, body=ONE_CHUNK)
        self.refused(b"POST /v1/models/tiny/explain HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400, body=ONE_CHUNK)

    def test_lengths_that_are_no_numbers(self):
        blanks = () if daemon.library_is_strict() else (b" 5 ", b"5 ")  # which it takes off, as the standard says
        for value in (*blanks, b"+5", b"-5", b"5,5", b"5, 5", b"0x5", b"5;", b"", b"five", b"5.0", b"1e1", b"\xb2"):
            self.refused(POST + b"Content-Length: " + value + b"\r\n", 400, body=b"x" * 5, ours=False)
        for value in (b"18446744073709551615", b"18446744073709551616", b"18446744073709551617", b"9223372036854775807", b"99999999999999999999999", b"16777217"):
            self.refused(POST + b"Content-Length: " + value + b"\r\n", 413, body=b"x" * 5, ours=False)

    def test_nothing_behind_a_chunked_body_is_a_request(self):
        """The lines between chunks cannot be seen behind the library, so a chunked body is its connection's last."""
        for body in (ONE_CHUNK, b"1;a=b\r\nx\r\n0\r\n\r\n", b"1\nx\n0\n\n", b"1;\nx\r\n0\r\n\r\n", b"1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", b"01\r\nx\r\n000\r\n\r\n",
                     b"1\r\nx\r\n0;a=\"\r\n\r\n\"\r\n\r\n"):
            self.refused(POST + b"Transfer-Encoding: chunked\r\n", 415, 400, body=body, ours=False)
        for body in (b"-1\r\nx\r\n0\r\n\r\n", b"0x1\r\nx\r\n0\r\n\r\n", b"1 \r\nx\r\n0\r\n\r\n", b"g\r\n", b"1\r\nxx\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"1\r\r\nx\r\n0\r\n\r\n"):
            self.refused(POST + b"Transfer-Encoding: chunked\r\n", 400, 415, body=body, ours=False)
        for size in (b"f" * 15, b"f" * 16, b"f" * 17, b"8" + b"0" * 15, b"0" * 200 + b"1"):
            a = self.d.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\nx\r\n0\r\n\r\n" + HIDDEN, timeout=3)
            self.assertNotIn(b"hidden-one", a, size)
            self.assertNotIn(b"HTTP/1.1 200", a, size)

    def test_a_million_chunks_of_one_byte_cost_little(self):
        request, grown = POST + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000000 + b"0\r\n\r\n", []
        with daemon.Daemon(self.folder.name) as d:  # whose deadlines are the usual ones
            for _ in range(6):
                self.assertRegex(d.raw(request, timeout=60), b"^HTTP/1.1 415")
                with open("/proc/%d/status" % d.process.pid) as f:
                    grown.append(int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)))
        if not is_sanitized():
            self.assertLess(grown[-1] - grown[1], 4096, grown)

    def test_thousands_of_arguments(self):
        """They are counted here; the library would run out of memory for them, and then answer nothing until the head's time is up."""
        with daemon.Daemon(self.folder.name, "--header-timeout-ms", "60000") as d:
            for n in (65, 100, 500, 1000, 2000, 8000):
                for path in (b"/livez?", b"/none?", b"/livez?x=?"):
                    a = d.raw(b"GET " + path + b"&".join([b"a"] * n) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    if daemon.library_is_strict() and a.startswith(b"HTTP/1.1 431 "):
                        continue
                    self.assertRegex(a, b"^HTTP/1.1 404" if b"none" in path else b"^HTTP/1.1 400", n)
                    self.assertIn(b"NOT_FOUND" if b"none" in path else b"more than 64 parameters", a, n)
            a = d.raw(b"GET /livez?" + b"&".join([b"a"] * 64) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            self.assertRegex(a, b"^HTTP/1.1 200")

    def test_hundreds_of_cookies(self):
        """The library has no memory for their pieces, which nobody reads: then it closes the connection, whatever it says, and what stood behind is not executed."""
        for n in (1, 60, 600):
            a = self.d.raw(GET + b"Cookie: " + b";".join([b"a=b"] * n) + b"\r\nConnection: close\r\n\r\n")
            self.assertRegex(a, b"^HTTP/1.1 200", n)
        if daemon.library_is_strict():
            return  # it has no memory to find
        with daemon.Daemon(self.folder.name, "--header-timeout-ms", "60000") as d:  # it is not the deadline that closes
            for n in (1000, 2000, 3500):
                begin = time.monotonic()
                a = d.raw(GET + b"Cookie: " + b";".join([b"a=b"] * n) + b"\r\n\r\n" + HIDDEN)
                self.assertLess(time.monotonic() - begin, 15, n)
                self.assertFalse([s for s in re.findall(rb"HTTP/1\.[01] (\d+)", a) if s[:1] != b"4"], (n, a[:300]))
                self.assertNotIn(b"hidden-one", a, n)
                self.assertTrue('"request_id":"hidden-one"' not in d.errors(), n)
                self.assertEqual(d.get("/livez").status, 200)

    def test_hosts(self):
        for lines in (b"Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n", b"Host: 127.0.0.1\r\nhost: x\r\n"):
            self.refused(b"GET /livez HTTP/1.1\r\n" + lines, 400)
        self.refused(b"GET /livez HTTP/1.1\r\n", 400, ours=False)

    def test_first_lines(self):
        host = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for line in (b"GET  /livez", b"GET /livez ", b"GET /live z", b"GET\t/livez", b" GET /livez", b"GET livez", b"GET http://127.0.0.1/livez", b"GET http://evil/livez",
                     b"GET ?a", b"GET /l\x01vez", b"GET /l\x7fvez", b"GET /l\xffvez", b"GET *"):
            a = self.d.raw(line + host + b"\r\n" + HIDDEN, timeout=5)
            self.assertNotIn(b"hidden-one", a, line)
            self.assertNotIn(b"alive", a, line)
        for line in (b"GET /livez HTTP/1.2\r\n", b"GET /livez HTTP/1.10\r\n", b"GET /livez HTTP/0.9\r\n", b"GET /livez http/1.1\r\n", b"GET /livez HTTP/2.0\r\n", b"GET /livez\r\n",
                     b"GET /livez HTTP/1.1x\r\n"):
            self.refused(line + b"Host: 127.0.0.1\r\n", 400, 505, ours=False)
        a = self.d.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", timeout=5)
        self.assertRegex(a, b"^HTTP/1.1 505")

    def test_methods(self):
        known = {method.upper() for path in self.d.get("/openapi.json").json["paths"].values() for method in path}
        self.assertEqual(known | {"HEAD"}, {"GET", "HEAD", "POST", "PUT"})
        for method in known:
            self.only(self.d.raw(method.encode() + b" * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, timeout=3), method, 400, words=b"the target must be a path")
        for line in (b"FOO<script> /livez", b"CONNECT 127.0.0.1:1", b"PRI *", b"OPTIONS *", b"G@T /livez"):
            a = self.d.raw(line + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, timeout=3)
            self.only(a, line, 405)
            self.assertIn(b"\r\nAllow: GET, HEAD, POST, PUT\r\n", a)
            self.assertNotIn(b"script", a)
        for method in ("TRACE", "PUT", "DELETE", "get", "PATCH"):
            a = self.d.request(method, "/livez")
            self.assertEqual((a.status, a.headers["Allow"]), (405, "GET, HEAD"), method)
            self.assertNotIn(method.encode(), a.body)

    def test_sizes(self):
        for head in (GET + b"X: " + b"a" * 17000 + b"\r\n", GET + b"X: y\r\n" * 65, GET + b"X: y\r\n" * 400, b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
            self.refused(head, 431, ours=True)
        for head in (GET + b"X: " + b"a" * 200000 + b"\r\n", GET + b"X: y\r\n" * 1000, GET + b"X: y\r\n" * 20000, b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
            a = self.d.raw(head + b"\r\n" + HIDDEN, timeout=3)
            self.assertNotIn(b"hidden-one", a)
            self.assertNotIn(b"HTTP/1.1 200", a)

    def test_what_is_harmless_is_not_refused(self):
        """The gaps that are allowed: none or some blanks behind a colon, blanks behind a value, empty values, headers up to the limit, bytes that drip."""
        for lines in (b"X:y\r\n", b"X: \t y\r\n", b"X: y \t\r\n", b"X:\r\n", b"X: \r\n", b"X: a:b\r\n", b"X: \xc3\xa9\r\n", b"X: " + b"a" * 16000 + b"\r\n", b"X: y\r\n" * 62,
                      b"Cookie: a=b; c=\"d\"\r\n", b"Cookie: ;;\r\nCookie: =\r\n", b""):
            a = self.d.raw(GET + lines + b"\r\n" + NEXT, timeout=3)
            self.assertEqual(a.count(b"HTTP/1.1 200"), 2, (lines, a[:300]))
        self.assertIn(b"alive", self.d.raw(b"GET /livez HTTP/1.0\r\n\r\n"))
        self.assertIn(b"alive", self.d.raw(b"GET /livez?a=b&c=%20&d HTTP/1.0\r\nA: b\r\n\r\n"))
        if not daemon.library_is_strict():
            self.assertIn(b"alive", self.d.raw(b"\r\n\r\n" + GET + b"Connection: close\r\n\r\n"))

    def test_heads_that_arrive_in_pieces_are_read_alike(self):
        for cut in (1, 20, 40, 60, 70):
            good, bad = GET + b"X-Long: " + b"a" * 3000 + b"\r\n\r\n", GET + b"X: a\r\n b\r\n\r\n"
            for head, status in ((good, b"HTTP/1.1 200"), (bad, b"HTTP/1.1 400")):
                with socket.create_connection(("127.0.0.1", self.d.port), 3) as s:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    s.sendall(head[:cut])
                    time.sleep(0.02)
                    s.sendall(head[cut:-1])
                    time.sleep(0.02)
                    s.sendall(head[-1:])
                    self.assertTrue(s.recv(1000).startswith(status), (cut, head[:80]))

    def test_every_request_of_a_connection_is_looked_at(self):
        data = picture(1)
        good = POST + b"Content-Length: %d\r\n\r\n" % len(data) + data
        a = self.d.raw(good + GET + b"\r\n" + good + POST + b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN, timeout=3)
        self.assertEqual(re.findall(rb"HTTP/1\.1 (\d+)", a), [b"200", b"200", b"200", b"400"])
        self.assertNotIn(b"hidden-one", a)

    def test_bodies_on_routes_that_take_none_are_not_the_next_request(self):
        self.refused(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n" % len(HIDDEN), 400)
        self.refused(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n", 400, body=b"%x\r\n" % len(HIDDEN))

    def test_no_upgrade(self):
        a = self.d.raw(GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n" + NEXT)
        self.assertNotIn(b"101", a[:20])


class Paths(Framing):
    """The same daemon; one spelling a path."""

    def test_only_one_spelling_of_a_path_is_known(self):
        for path in ("//livez", "/livez/", "/./livez", "/x/../livez", "/%6civez", "/livez%20", "/LIVEZ", "/livez;", "/livez;a=b", "/livez%2f", "/livez%3f", "/v1//models", "/v1/%6dodels",
                     "/v1/models/%74iny", "/v1/models/tiny/", "/v1/models/tiny%2flayers", "/v1/models/..%2f..%2fetc%2fpasswd", "/../../etc/passwd", "/..%5c..%5cx",
                     "/v1/models/tiny/%2e%2e/tiny", "/v1/models/%2574iny", "/v1\\models", "/v1/models/..", "/v1/models/.", "/v1/models/.hidden"):
            a = self.d.get(path)
            self.assertEqual((a.status, a.headers["Content-Type"]), (404, "application/problem+json"), path)
        for path in ("/v1/models/a%00.png", "/%zz", "/%", "/%f", "/%ff", "/a%0d%0aX: y".replace(" ", ""), "/%c0%af", "/%ed%a0%80", "/v1/models/a%1b"):
            a = self.d.get(path)
            self.assertEqual((a.status, a.json["code"]), (400, "BAD_REQUEST"), path)


for name in [n for n in dir(Framing) if n.startswith("test_")]:
    setattr(Paths, name, None)


if __name__ == "__main__":
    unittest.main()
