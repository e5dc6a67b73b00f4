"""Bad bodies, bad pictures and bad framing: each gets its problem, and the daemon goes on."""
import base64
import json
import os
import socket
import struct
import threading
import time
import unittest
import zlib

import asking
import daemon
from daemon import b64, picture

JSON = {"Content-Type": "application/json"}
PATH = "/v1/models/tiny/explain"


def tiny_jpeg(width, height, progressive=False):
    """The header of a grey JPEG of that size; no picture data follows."""
    quant = b"\xff\xdb\x00\x43\x00" + bytes([16] * 64)
    frame = struct.pack(">BBHBHHB", 0xff, 0xc2 if progressive else 0xc0, 11, 8, height, width, 1) + b"\x01\x11\x00"
    huffman = b"\xff\xc4\x00\x14\x00\x01" + b"\x00" * 15 + b"\x00" + b"\xff\xc4\x00\x14\x10\x01" + b"\x00" * 15 + b"\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00" + (b"\x00" if progressive else b"\x3f") + b"\x00"
    return b"\xff\xd8" + quant + frame + huffman + scan


class Errors(asking.Tiny):
    options = ["--max-body-bytes", "16777216", "--header-timeout-ms", "1000", "--body-timeout-ms", "2000"]

    def tearDown(self):
        """Whatever a test did, the next question is answered."""
        self.assertEqual(self.d.explain(picture(1)).status, 200)

    def problem(self, answer, status, code):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "application/problem+json"), answer.body[:300])
        p = answer.json
        self.assertEqual((p["code"], p["instance"], p["request_id"]), (code, "urn:whynot:request:" + p["request_id"], answer.headers["X-Request-Id"]), p)
        return p

    # ---- pictures ----

    def test_what_is_not_a_picture(self):
        for data in (b"GIF89a" + bytes(50), b"RIFF\x10\0\0\0WEBPVP8 ", b"<svg/>", b"x", b"\0" * 1000, b"%PDF-1.4"):
            self.problem(self.d.explain(data), 415, "UNSUPPORTED_MEDIA")

    def test_pictures_are_told_apart_by_their_bytes(self):
        self.assertEqual(self.d.explain(picture(1), Content_Type="image/jpeg").status, 200)

    def test_a_file_of_two_kinds_is_what_its_beginning_says(self):
        alone = self.d.explain(picture(1)).json["predictions"]
        for other in (picture(2), tiny_jpeg(64, 64), b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(40), b"GIF89a;"):
            a = self.d.explain(picture(1) + other)
            self.assertEqual((a.status, a.json["predictions"], a.headers["X-Content-Type-Options"]), (200, alone, "nosniff"), other)
            self.assertIn(self.d.explain(other + picture(1)).status, (200,) if other == picture(2) else (415, 422), other)

    def test_pictures_of_one_line_or_one_pixel_are_read(self):
        for width, height in ((1, 1), (8192, 1), (1, 8192)):
            data = daemon.png_file(width, height, zlib.compress((b"\0" + bytes(range(251)) * (3 * width // 251 + 1))[:1 + 3 * width] * height))
            a = self.d.explain(data, "?outputs=heatmap,overlay,raw,rle")
            self.assertEqual((a.status, a.json["image"]["width"], a.json["image"]["height"]), (200, width, height))
            self.assertEqual(daemon.read_png(base64.b64decode(a.json["maps"][0]["data"]))[:2], (width, height))
            self.problem(self.d.explain(data[:-20]), 422, "UNREADABLE_IMAGE")

    def test_truncated_png(self):
        data = picture(1)
        for n in range(9, len(data) - 12, 40):
            a = self.d.explain(data[:n])
            self.assertIn(a.status, (415, 422), n)
        self.problem(self.d.explain(data[:len(data) // 2]), 422, "UNREADABLE_IMAGE")

    def test_truncated_jpeg(self):
        self.problem(self.d.explain(tiny_jpeg(64, 64)), 422, "UNREADABLE_IMAGE")
        self.problem(self.d.explain(tiny_jpeg(64, 64)[:60]), 422, "UNREADABLE_IMAGE")

    def test_truncated_photograph(self):
        assets = os.environ.get("WHYNOT_ASSETS")
        if not assets:
            self.skipTest("WHYNOT_ASSETS is not set")
        with open(os.path.join(assets, "images/n01443537_goldfish.JPEG"), "rb") as f:
            photo = f.read()
        self.assertEqual(self.d.explain(photo).status, 200)
        for part in (3, 100, 700, len(photo) // 2, len(photo) - 2000):
            self.assertIn(self.d.explain(photo[:part]).status, (415, 422), part)

    def test_headers_of_enormous_pictures_are_refused_at_once(self):
        bombs = [tiny_jpeg(65500, 65500), tiny_jpeg(65500, 65500, True), daemon.png_file(65500, 65500, b""),
                 daemon.png_file(1000000, 1000000, b""), daemon.png_file(20000, 20000, zlib.compress(bytes(1000)))]
        for bomb in bombs:
            start = time.monotonic()
            self.problem(self.d.explain(bomb), 413, "TOO_LARGE")
            self.assertLess(time.monotonic() - start, 1 + daemon.ROOM_S)

    def test_changed_bytes_never_hurt(self):
        data = bytearray(picture(2))
        for i in range(0, len(data), 7):
            broken = bytes(data[:i]) + bytes([data[i] ^ 0x55]) + bytes(data[i + 1:])
            self.assertIn(self.d.explain(broken).status, (200, 400, 413, 415, 422), i)

    # ---- bodies ----

    def test_body_of_20_megabytes_is_refused_unread(self):
        a = self.d.raw(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20971520\r\n\r\n" % PATH.encode())
        self.assertTrue(a.startswith(b"HTTP/1.1 413"), a[:100])
        self.assertIn(b'"code":"TOO_LARGE"', a)
        c = self.d.connect()
        try:
            c.request("POST", PATH, b"\0" * (20 << 20), {"Content-Type": "image/png"})
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may close before all is sent
        else:
            self.assertEqual(c.getresponse().status, 413)
        c.close()

    def test_a_length_beyond_the_limit_is_refused_without_asking_for_the_body(self):
        a = self.d.raw(b"POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 20971520\r\n\r\n" % PATH.encode())
        self.assertTrue(a.startswith(b"HTTP/1.1 413"), a[:100])
        self.assertNotIn(b"100 Continue", a)

    def test_chunked_body_over_the_limit(self):
        chunk = b"100000\r\n" + b"\0" * 0x100000 + b"\r\n"
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH.encode()
        a = self.d.raw(head + chunk * 17 + b"0\r\n\r\n")
        self.assertTrue(a.startswith(b"HTTP/1.1 413"), a[:100])

    def test_chunked_body(self):
        data = picture(1)
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" % PATH.encode()
        a = self.d.raw(head + b"".join(b"1\r\n%c\r\n" % byte for byte in data) + b"0\r\n\r\n")
        self.assertTrue(a.startswith(b"HTTP/1.1 200"), a[:100])
        self.assertIn(json.loads(self.d.explain(data).body)["maps"][0]["data"].encode(), a)

    def test_content_types_that_are_not_read(self):
        for kind in ("text/plain", "application/xml", "video/mp4", "application/jsonx"):
            self.problem(self.d.explain(picture(1), Content_Type=kind), 415, "UNSUPPORTED_MEDIA")

    def test_bodies_are_not_decompressed(self):
        for coding in ("gzip", "deflate", "br", "identity, gzip", "x"):
            p = self.problem(self.d.explain(zlib.compress(picture(1)), Content_Encoding=coding), 415, "UNSUPPORTED_MEDIA")
            self.assertIn("Content-Encoding", p["detail"])
        for coding in ("identity", "Identity", ""):
            self.assertEqual(self.d.explain(picture(1), Content_Encoding=coding).status, 200)

    def test_a_query_says_which_parameter_cannot_be_decoded(self):
        for query, said in (("top_k=3&target=%ff", "parameter 2 "), ("id=a%00", "parameter 1 "), ("id=%0d%0aX:1", "parameter 1 "), ("&".join(["id=a"] * 65), "more than 64 parameters"),
                            ("&".join(["id=a"] * 63 + ["id=%zz"]), "parameter 64 ")):
            self.assertIn(said, self.problem(self.d.explain(picture(1), "?" + query), 400, "BAD_REQUEST")["detail"], query)

    def test_json_that_is_none(self):
        good = '{"image":{"b64":"%s"}' % b64(picture(1))
        for text in ("", "{", "[]", "7", "nul", good, good + "}}", good + ',"target":NaN}', good + ',"target":1e400}',
                     good + ',"target":1,"target":2}', good + ',"id":"\\ud800"}', good + ',"id":"a\\u0000b"}', "\ufeff" + good + "}",
                     good + ",}", "{'image':1}", '{"image":{"b64":5}}', '{"image":{"b64":"unfinished', '{"image":{"b64"}}', good + ',"id":"\x00"}'):
            a = self.d.request("POST", PATH, text.encode(), JSON)
            self.problem(a, 400, "BAD_REQUEST")
        a = self.d.request("POST", PATH, good.encode() + b',"id":"\xff"}', JSON)
        self.problem(a, 400, "BAD_REQUEST")

    def test_each_kind_of_bad_json_says_where_it_is(self):
        good = '{"image":{"b64":"%s"}' % b64(picture(1, 8, 8))
        for text in (good, good + "}}", good + ',"target":NaN}', good + ',"target":1e400}', good + ',"target":1,"target":2}', good + ',"id":"\\ud800"}', good + ',"id":"a\\u0000b"}',
                     good + ',"id":"a\0b"}', good + ',"target":12345678901234567890}', good + ',"id":"\x01"}', good + ',"a":' + "[" * 40 + "]" * 40 + "}"):
            p = self.problem(self.d.request("POST", PATH, text, JSON), 400, "BAD_REQUEST")
            at = int(p["detail"].split("byte ")[1].split(":")[0])
            self.assertTrue(len(good) - 1 <= at <= len(text), (text[len(good):], p["detail"]))
            self.assertNotIn("near '", p["detail"])  # nothing of the body is said again
            self.assertNotIn("JSON_", p["detail"])  # and no name that only programmers could use

    def test_json_errors_say_where_in_the_body(self):
        text = '{"image":{"b64":"%s"},"target":?}' % b64(picture(1))
        detail = self.problem(self.d.request("POST", PATH, text, JSON), 400, "BAD_REQUEST")["detail"]
        at = int(detail.split("byte ")[1].split(":")[0])
        self.assertLess(abs(at - text.index("?")), 4, detail)

    def test_json_that_would_be_costly_is_refused_early(self):
        for text in ("[" * 100000, '{"a":' * 5000, "[" + "[],".rstrip(",") + ",[]" * 2000000 + "]", "[" + "{}" + ",{}" * 2000000 + "]",
                     '{"instances":[' + ",".join("{}" for _ in range(70000)) + "]}"):
            start = time.monotonic()
            self.problem(self.d.request("POST", PATH, text, JSON), 400, "BAD_REQUEST")
            self.assertLess(time.monotonic() - start, 1 + daemon.ROOM_S)

    def test_json_depth_and_size_have_limits_of_their_own(self):
        image = '{"image":{"b64":"%s"},"target":' % b64(picture(1))
        for text, words in ((image + "[" * 31 + "]" * 31 + "}", "target"), (image + "[" * 32 + "]" * 32 + "}", "nested too deeply"),
                            (image + "1" * 512 + "}", "too big"), (image + "1" * 513 + "}", "a number or a word is too long"),
                            (image + "[" + "1," * 40000 + "1]}", "too many values")):
            p = self.problem(self.d.request("POST", PATH, text, JSON), 400, "BAD_REQUEST")
            self.assertIn(words, p["detail"])

    def test_base64_is_strict(self):
        good = b64(picture(1))
        two = b64(picture(1) + bytes(2 - len(picture(1)) % 3 + 2))  # what stands behind a picture's end is not looked at
        self.assertTrue(two.endswith("A==") and self.d.ask({"image": {"b64": two}}).status == 200)
        spare_bits = two[:-3] + "B=="
        for text in ("", good[:-1], good + "=", good[:40] + "\\n" + good[40:], good[:40] + " " + good[40:], "-_" + good[2:], "!" + good[1:], spare_bits,
                     good[:40] + "\\u0041" + good[41:]):
            a = self.d.request("POST", PATH, '{"image":{"b64":"%s"}}' % text, JSON)
            self.problem(a, 422, "UNREADABLE_IMAGE")

    def test_forms_that_are_none(self):
        mark = b"--b\r\n"
        part = b'Content-Disposition: form-data; name="target"\r\n\r\n1'
        for body in (b"", b"x", mark, mark + part, mark + part + b"\r\n--b", mark + part + b"\r\n--bx--", mark + b"\r\n\r\n1\r\n--b--",
                     mark + b"Content-Disposition: form-data\r\n\r\n1\r\n--b--", mark + part + b"\0\r\n--b--",
                     (mark + part + b"\r\n") * 100 + b"--b--", mark + b"A: " + b"x" * 5000 + b"\r\n\r\n1\r\n--b--"):
            a = self.d.request("POST", PATH, body, {"Content-Type": "multipart/form-data; boundary=b"})
            self.problem(a, 400, "BAD_REQUEST")
        for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 71):
            a = self.d.request("POST", PATH, mark + part + b"\r\n--b--", {"Content-Type": kind})
            self.problem(a, 400, "BAD_REQUEST")

    def test_forms_say_what_is_wrong_with_a_field(self):
        def ask(*fields):
            body = b"".join(b'--b\r\nContent-Disposition: form-data; name="' + n + b'"\r\n\r\n' + v + b"\r\n" for n, v in fields) + b"--b--"
            return self.d.request("POST", PATH, body, {"Content-Type": "multipart/form-data; boundary=b"})
        image = (b"image", picture(1))
        for fields, words in (([image, image], "image is given twice"), ([(b"picture", picture(1))], "no field 'picture'"),
                              ([image, (b"id", b"\xff")], "UTF-8"), ([image, (b"id", b"a\0b")], "zero byte"), ([image, (b"id", b"x" * 5000)], "longer")):
            self.assertIn(words, self.problem(ask(*fields), 400, "BAD_REQUEST")["detail"])
        self.assertEqual(ask(image, (b"id", "\u00e9\u20ac".encode())).json["id"], "\u00e9\u20ac")

    def test_forms_as_browsers_write_them(self):
        body = (b'--q q\r\nContent-Disposition: form-data; name="image"; filename="a;name=x.png"\r\nContent-Type: image/png\r\n\r\n' +
                picture(1) + b'\r\n--q q \r\ncontent-disposition:form-data;filename="x";name=target\r\n\r\n3\r\n--q q--\r\nepilogue')
        a = self.d.request("POST", PATH, body, {"Content-Type": 'multipart/form-data; charset=utf-8; boundary="q q"'})
        self.assertEqual((a.status, a.json["target"]["index"]), (200, 3))

    def test_routes_without_a_body_take_none(self):
        self.problem(self.d.request("GET", "/livez", b"hello"), 400, "BAD_REQUEST")

    # ---- framing ----

    def refused(self, head, body=b"", statuses=(b"400",)):
        """The answer is a problem, the connection is closed, and nothing behind the first request is answered."""
        second = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        a = self.d.raw(head + b"\r\n" + body + second, timeout=5)
        self.assertIn(a[9:12], statuses, (head, a[:200]))
        self.assertEqual(a.count(b"HTTP/1.1 "), 1, (head, a))
        return a

    def test_framing_that_two_parties_could_read_differently(self):
        post = b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % PATH.encode()
        cases = [post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", post + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                 post + b"Content-Length: 5\r\nContent-Length: 6\r\n", post + b"Content-Length: 5\r\nContent-Length: 5\r\n",
                 post + b"Host: 127.0.0.1\r\nContent-Length: 0\r\n", post + b"Transfer-Encoding: gzip, chunked\r\n",
                 post + b"Transfer-Encoding: xchunked\r\n", post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                 post + b"Transfer-Encoding: identity\r\n", post + b"Transfer-Encoding : chunked\r\n",
                 post + b"Content-Length: 0\r\nX(y): 1\r\n", post + b"Content-Length: 0\r\nX: a\x01b\r\n"]
        for head in cases:
            a = self.refused(head, b"0\r\n\r\n")
            if not daemon.library_is_strict():
                self.assertIn(b"application/problem+json", a)
            self.assertIn(b"Connection: close", a)

    def test_content_length_beyond_all_numbers(self):
        for length in (b"9223372036854775807", b"1000000000000000000000000"):
            a = self.d.raw(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % (PATH.encode(), length), timeout=5)
            self.assertIn(a[9:12], (b"413", b"400"), (length, a[:100]))

    def test_pipelined_requests_are_answered_in_order(self):
        one = b"GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        a = self.d.raw(b"".join(one % m for m in (b"tiny", b"other", b"none")) + last)
        at = [a.index(x) for x in (b'"name":"tiny"', b'"name":"other"', b"NO_SUCH_MODEL", b"alive")]
        self.assertEqual(at, sorted(at))

    def test_garbage_on_the_line(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100, b"A" * 200000,
                     b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
            a = self.d.raw(data, timeout=0.5)
            self.assertNotIn(b"HTTP/1.1 200", a)

    def test_a_query_of_more_parameters_than_the_library_has_room_for(self):
        """Is refused here, and at once: the library would say nothing until the head's time is up."""
        a = self.d.raw(b"GET /?%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (b"&a" * 1000))
        if not (daemon.library_is_strict() and a.startswith(b"HTTP/1.1 431 ")):
            self.assertTrue(a.startswith(b"HTTP/1.1 400 "), a[:100])
            self.assertIn(b"more than 64 parameters", a)

    def test_cookies_of_more_pieces_than_the_library_has_room_for(self):
        """It never says then that the request is over: what was begun would stay for ever, and the daemon wait for it."""
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n" % (b"a=b;" * 1000)
        with daemon.Daemon(self.folder.name) as d:
            for _ in range(50):
                d.raw(head, timeout=0.02)
            daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") == 1)
            begin = time.monotonic()
        self.assertLess(time.monotonic() - begin, 10)

    def test_client_that_goes_away(self):
        data = picture(1)
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(data))
        for cut in (10, len(head), len(head) + 100, len(head) + len(data)):
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", self.d.port)) as s:
                    s.sendall((head + data)[:cut])
        daemon.wait_until(lambda: self.d.metric("whynot_requests_in_flight") == 1)
        self.assertEqual(self.d.metric("whynot_body_bytes_in_flight"), 0)

    def drip(self, first, seconds):
        """Sends a byte every 50 ms behind `first`; returns how long the daemon put up with it."""
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.d.port)) as s:
            s.sendall(first)
            s.settimeout(0.05)
            while time.monotonic() - start < seconds:
                try:
                    s.sendall(b"a")
                    if s.recv(1000) == b"":
                        break
                except socket.timeout:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    break
        return time.monotonic() - start

    def test_a_body_that_does_not_arrive_in_time_is_408(self):
        for head in (b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"):
            a = self.d.raw(b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: too-late\r\n" % PATH.encode() + head)
            if head.startswith(b"Expect"):
                self.assertTrue(a.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"), a[:100])
                a = a.split(b"\r\n\r\n", 1)[1]
            head, body = a.split(b"\r\n\r\n", 1)
            self.assertTrue(head.startswith(b"HTTP/1.1 408 "), a[:200])
            for line in (b"Connection: close", b"Content-Type: application/problem+json", b"Content-Length: %d" % len(body), b"X-Request-Id: too-late"):
                self.assertIn(line, head.split(b"\r\n"))
            p = json.loads(body)
            self.assertEqual((p["status"], p["code"], p["request_id"], p["error"]), (408, "TIMEOUT", "too-late", p["detail"]))
        daemon.wait_until(lambda: self.d.errors().count('"request_id":"too-late"') == 3)
        mine = [x for x in map(json.loads, self.d.errors().splitlines()) if x.get("request_id") == "too-late"]
        self.assertEqual({(x["status"], x["code"]) for x in mine}, {(408, "TIMEOUT")})
        self.assertEqual(self.d.metric('whynot_requests_total{route="/v1/models/{model}/explain",code="408"}'), 3)

    def test_heads_that_do_not_arrive_are_counted_and_told_of(self):
        late, said = 'whynot_rejected_total{reason="head_timeout"}', "a head did not arrive in time"
        before, lines = self.d.metric(late), self.d.errors().count(said)
        heads = [b"GET /", b"GET /livez HTTP/1.1\r\n", b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Long: " % PATH.encode()] * 10
        open_ones = [socket.create_connection(("127.0.0.1", self.d.port), 10) for _ in heads + [b""]]
        for s, head in zip(open_ones, heads):
            s.sendall(head)
        for s, _ in zip(open_ones, heads):
            self.assertEqual(s.recv(100), b"")
        daemon.wait_until(lambda: self.d.errors().count(said) > lines)
        self.assertEqual(self.d.metric(late) - before, len(heads))  # and not the one that said nothing
        mine = [x for x in map(json.loads, self.d.errors().splitlines()) if said in x.get("message", "")][lines:]
        self.assertLessEqual(len(mine), 5)  # one a second
        self.assertEqual({x["client"] for x in mine}, {"127.0.0.1"})
        for s in open_ones:
            s.close()

    def test_a_connection_that_says_nothing_or_ends_a_body_with_an_empty_line_is_no_head(self):
        live = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for first in (b"", b"\r\n", live, live + b"\r\n"):
            with socket.create_connection(("127.0.0.1", self.d.port), 10) as s:
                s.sendall(first)
                time.sleep(2)  # twice what a head may take
                s.sendall(live)
                answers = b""
                while answers.count(b"alive") < first.count(b"GET") + 1:
                    answers += s.recv(8192) or self.fail("closed after %r" % first)

    def test_clients_that_drip_are_cut_off_at_the_deadline(self):
        post = b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % PATH.encode()
        live = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        kinds = ((post + b"Content-Length: 10000\r\n\r\n", 4), (post + b"X-Long: ", 2), (b"GET /", 2), (live + b"GET /", 2))

        def attack(i):
            first, most = kinds[i % 4]
            self.assertLess(self.drip(first, 15), most + daemon.ROOM_S, first)
        over, slowest = threading.Event(), []

        def good_client():
            while not over.is_set():
                begin = time.monotonic()
                assert self.d.explain(picture(1)).status == 200
                slowest.append(time.monotonic() - begin)
        thread = threading.Thread(target=good_client)
        thread.start()
        try:
            daemon.in_threads(20, attack)
        finally:
            over.set()
            thread.join()
        self.assertGreater(len(slowest), 10)
        self.assertLess(max(slowest), 1 + daemon.ROOM_S)


if __name__ == "__main__":
    unittest.main()
