"""Answers that no daemon of ours gives: every command is told something else than it hoped for, by a server that replays a real daemon's answers
with one thing wrong in them. A command ends with words and an exit code; what it was not told it does not make up."""
import concurrent.futures
import http.client
import http.server
import json
import os
import tempfile
import threading
import unittest

from command import daemon, whynot

PROBLEM = {"type": "about:blank", "title": "no", "status": 0, "detail": "not here", "code": "NO_SUCH_MODEL", "did_you_mean": ["tiny"]}


class Replay(http.server.ThreadingHTTPServer):
    """Passes questions on and keeps the answers, once `spoil` is set answers from what it kept: spoil(uri, body) -> (status, body, cut)."""
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.kept, self.spoil, self.order = port, {}, None, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, address):
        pass  # a client that went away

    def answer(self, method, uri, body, kind):
        if (method, uri) not in self.kept:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            c.request(method, uri, body, {"Content-Type": kind})
            r = c.getresponse()
            self.kept[method, uri] = (r.status, r.read())
            self.order.append(uri)
            c.close()
        return self.kept[method, uri]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes

    def do_GET(self, body=None):
        status, text = self.server.answer(self.command, self.path, body, self.headers.get("Content-Type") or "")
        cut = False
        if self.server.spoil:
            status, text, cut = self.server.spoil(self.path, status, text)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text) + (10 if cut else 0)))
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = cut

    def do_POST(self):
        self.do_GET(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_):
        pass


def wholly(uri_of, keys_wanted):
    """[(name, spoil, whether it may still end with 0)] of everything that can be wrong with an answer as a whole."""
    def at(change):
        return lambda uri, status, text: change(status, text) if uri == uri_of else (status, text, False)
    for name, text in (("nothing", b""), ("a page", b"<html>gateway</html>"), ("half of it", None), ("null", b"null"), ("a list", b"[]"), ("no keys", b"{}"), ("a number", b"7")):
        yield name, at(lambda s, t, text=text: (200, t[:len(t) // 2] if text is None else text, False)), name == "no keys" and not keys_wanted
    yield "cut off", at(lambda s, t: (200, t[:-1], True)), False
    problems = [("a problem", PROBLEM), ("a class", dict(PROBLEM, code="NO_SUCH_CLASS", errors=[{"pointer": "/image"}])), ("no words", {})]
    for i, status in enumerate((400, 401, 404, 429, 500, 501, 503, 400, 404)):
        for name, body in problems[i % 3:i % 3 + 1]:
            yield "%d, %s" % (status, name), at(lambda s, t, status=status, body=body: (status, json.dumps(body).encode(), False)), False


def places(value, way=()):
    """The ways to every value in it; of a list, to its first two."""
    yield way
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:2] if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, way + (key,))


def changed(value, way, put):
    if not way:
        return put
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(way) == 1 and put is Ellipsis:
        del copy[way[0]]
    else:
        copy[way[0]] = changed(value[way[0]], way[1:], put)
    return copy


OTHERS = (None, Ellipsis, "?", -1e30, [], {})


def in_parts(uri_of, text):
    """One value at a time is something else; each kind of other value gets its turn."""
    whole = json.loads(text)
    for i, way in enumerate(places(whole)):
        if way:
            put = OTHERS[i % 6]
            body = json.dumps(changed(whole, way, put)).encode()
            yield "%s is %r" % ("/".join(map(str, way)), put), (lambda uri, s, t, body=body: (s, body if uri == uri_of else t, False)), True


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.models = os.path.join(cls.temporary.name, "models")
        cls.data = os.path.join(cls.temporary.name, "data")
        daemon.tiny_models(cls.models)
        for i, label in enumerate(("stop", "yield")):
            os.makedirs(os.path.join(cls.data, label))
            with open(os.path.join(cls.data, label, "1.png"), "wb") as f:
                f.write(daemon.picture(i + 1))
        cls.one = os.path.join(cls.data, "stop", "1.png")
        cls.d = daemon.Daemon(cls.models, "--access-log=false", "--labeling-model", "tiny")

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.temporary.cleanup()

    def spoil(self, *words, step=1, keys_wanted=True):
        """keys_wanted: an object that says nothing at all is no answer either."""
        server = Replay(self.d.port)
        where = ["--server", "http://127.0.0.1:%d" % server.server_port]
        impatient = words[0] not in ("connect", "doctor")  # these ask again for 25 s where they are told to come later
        if impatient:
            where += ["--patience", "0"]

        def run():
            with tempfile.TemporaryDirectory() as cwd:
                return whynot(*words, *where, cwd=cwd)
        good = run()
        self.assertEqual(good.code, 0, good.err)
        seen = 0
        for uri in dict.fromkeys(server.order):
            text = next(t for (_, u), (_, t) in server.kept.items() if u == uri)
            said_by_status = uri == "/readyz"
            rows = list(wholly(uri, keys_wanted)) + list(in_parts(uri, text))[::step]
            for name, spoil, may_be_good in rows:
                if name.startswith(("429", "503")) and not impatient:
                    continue
                server.spoil = spoil
                r = run()
                with self.subTest(uri=uri, answer=name):
                    self.assertIn(r.code, range(0 if may_be_good or said_by_status else 1, 6), (r.err[-500:], r.bytes[-300:]))
                    self.assertTrue(r.code == 0 or r.err.strip() or r.bytes.strip(), "it ended with %d without a word" % r.code)
                    self.assertNotIn(b"(null)", r.bytes + r.err.encode())
                seen += 1
        server.shutdown()
        server.server_close()
        self.assertGreater(seen, 15)

    def test_lists(self):
        model = ["-m", "tiny"]
        commands = [("models",), ("labels", "turn", *model), ("layers", *model), ("methods",), ("contrasts",)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda words: self.spoil(*words, step=7), commands))

    def test_explain_as_words_with_drawings(self):
        self.spoil("explain", self.one, "-m", "tiny", "-q", "auto:2", "--text", "--draw", "blocks", step=2)

    def test_explain_as_lines_with_files(self):
        self.spoil("explain", self.one, "-m", "tiny", "-q", "auto:1", "--png", "maps", step=6)

    def test_explain_as_json_finds_the_only_model(self):
        self.spoil("explain", self.one, "-m", "tiny", "--json", step=12, keys_wanted=False)

    def test_audit_with_a_table_and_a_page(self):
        self.spoil("audit", self.data, "-m", "tiny", "--csv", "table", "--report", "page", "--limit", "1", step=4)

    def test_connect_and_doctor(self):
        self.spoil("connect", "label-studio", "-m", "tiny", keys_wanted=False)
        self.spoil("doctor", "--models", self.models, step=8)


if __name__ == "__main__":
    unittest.main()
