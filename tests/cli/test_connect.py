"""connect and bench. Label Studio is a stub here, written from its REST interface's description: projects, /api/ml, both kinds of token."""
import http.server
import json
import os
import tempfile
import threading
import unittest
import xml.etree.ElementTree

from command import daemon, whynot


CONFIG = """<View><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="stop"/><Choice value="speed limt 30"/></Choices></View>"""
TOKEN = "label-studio-0123456789abcdef"


class Studio(http.server.BaseHTTPRequestHandler):
    backends, calls = [], []

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, method, body):
        self.calls.append((method, self.path, self.headers.get("Authorization"), self.headers.get("Content-Type")))
        if self.path == "/api/token/refresh/":
            good = body == {"refresh": "head.payload.signature"}
            return self.reply(200, {"access": "short"}) if good else self.reply(401, {"detail": "Token is invalid"})
        if self.headers.get("Authorization") not in ("Token legacy", "Bearer short"):
            return self.reply(401, {"detail": "Authentication credentials were not provided."})
        if (method, self.path) == ("GET", "/api/projects/7/"):
            return self.reply(200, {"id": 7, "label_config": CONFIG})
        if (method, self.path) == ("GET", "/api/ml/?project=7"):
            return self.reply(200, self.backends)
        if (method, self.path) == ("POST", "/api/ml/") and body["title"] == "local":
            return self.reply(403, {"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"})
        if (method, self.path) == ("POST", "/api/ml/"):
            self.backends.append(body)
            return self.reply(201, dict(body, id=1))
        return self.reply(404, {"detail": "Not found."})

    def do_GET(self):
        self.answer("GET", None)

    def do_POST(self):
        self.answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *args):
        pass


class Connect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.models = os.path.join(cls.temporary.name, "models")
        os.mkdir(cls.models)
        daemon.tiny_models(cls.models)
        cls.keys = os.path.join(cls.temporary.name, "keys")
        with open(cls.keys, "w") as f:
            f.write("studio explain %s\nreader - reader-0123456789abcdef\n" % TOKEN)
        os.chmod(cls.keys, 0o600)
        cls.d = daemon.Daemon(cls.models, "--access-log=false").__enter__()
        cls.studio = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Studio)
        threading.Thread(target=cls.studio.serve_forever, daemon=True).start()
        cls.server = "http://127.0.0.1:%d" % cls.d.port
        cls.backend = cls.server + "/v1/models/tiny/label-studio"

    @classmethod
    def tearDownClass(cls):
        cls.studio.shutdown()
        cls.studio.server_close()
        cls.d.__exit__(None, None, None)
        cls.temporary.cleanup()

    def setUp(self):
        Studio.backends.clear()
        Studio.calls.clear()

    def file(self, name, text):
        path = os.path.join(self.temporary.name, name)
        with open(path, "w") as f:
            f.write(text + "\n")
        return path

    def connect(self, token, project="7", server=None, *more, model=("-m", "tiny")):
        return whynot("connect", "label-studio", "--server", server or self.server, "--url", "http://127.0.0.1:%d/" % self.studio.server_port, "--project", project,
                      "--token-file", self.file("token", token), *model, *more)

    def test_a_project_gets_the_daemon_once_with_either_kind_of_token(self):
        for token in ("legacy", "head.payload.signature"):
            Studio.backends.clear()
            for _ in range(2):
                r = self.connect(token, "7", self.server + "//")
                self.assertEqual(r.code, 0, r.err)
            self.assertEqual(Studio.backends, [{"project": 7, "url": self.backend, "title": "whynot", "is_interactive": False}])
            self.assertIn("already", r.out)
        self.assertEqual({c[3] for c in Studio.calls if c[0] == "POST"}, {"application/json"})

    def test_the_address_that_it_gets_answers(self):
        self.assertEqual(self.connect("legacy").code, 0)
        path = Studio.backends[0]["url"][len(self.server):]
        self.assertEqual(self.d.get(path + "/health").json["status"], "UP")
        task = {"data": {"image": "data:image/png;base64," + daemon.b64(daemon.picture(1))}}
        a = self.d.ask({"tasks": [task], "label_config": CONFIG}, path + "/predict")
        self.assertEqual((a.status, len(a.json["results"])), (200, 1), a.body)

    def test_what_does_not_fit_the_model_is_noted(self):
        r = self.connect("legacy")
        for words in ("'speed limt 30' is no class of the model tiny; did you mean 'speed limit 30'", "<BrushLabels>", "11 classes"):
            self.assertIn(words, r.err)

    def test_what_label_studio_refuses_is_said_and_nothing_is_changed(self):
        for token, project, code, word in (("wrong", "7", 4, "token"), ("a.b.c", "7", 4, "token"), ("legacy", "8", 5, "no project 8")):
            r = self.connect(token, project)
            self.assertEqual(r.code, code, r.err)
            self.assertIn(word, r.err)
        self.assertEqual(Studio.backends, [])

    def test_addresses_that_label_studio_does_not_ask_are_said_with_the_mending(self):
        r = self.connect("legacy", "7", None, "--title", "local")
        self.assertEqual((r.code, Studio.backends), (5, []), r.err)
        for words in ("reserved network address", "ML_BLOCK_LOCAL_IP=false", "SSRF_PROTECTION_ENABLED=false"):
            self.assertIn(words, r.err)

    def test_a_daemon_that_does_not_answer_is_not_connected(self):
        for server, model, code, word in (("http://127.0.0.1:%d" % self.studio.server_port, (), 4, "/health does not say that it is up (status 401)"), ("127.0.0.1:1", (), 4, "cannot be reached"),
                                          (self.server, (), 5, "--labeling-model"), (self.server, ("-m", "none"), 5, "no model 'none'")):
            for r in (self.connect("legacy", "7", server, model=model), whynot("connect", "label-studio", "--server", server, *model)):
                self.assertEqual(r.code, code, r.err)
                self.assertIn(word, r.err)
        self.assertEqual(Studio.backends, [])

    def test_the_key_goes_along_as_a_password(self):
        with daemon.Daemon(self.models, "--access-log=false", "--keys", self.keys) as d:
            server = "http://127.0.0.1:%d" % d.port
            for key, code in ((TOKEN, 0), ("reader-0123456789abcdef", 4), ("wrong-0123456789abcdef", 4)):
                r = self.connect("legacy", "7", server, "--key-file", self.file("key", key))
                self.assertEqual(r.code, code, r.err)
                self.assertNotIn(key, r.out + r.err)
            self.assertEqual(self.connect("legacy", "7", server).code, 4)
        self.assertEqual([(b["auth_method"], b["basic_auth_user"], b["basic_auth_pass"]) for b in Studio.backends], [("BASIC_AUTH", "whynot", TOKEN)])

    def test_without_an_address_the_steps_and_a_labeling_interface_are_printed(self):
        r = whynot("connect", "label-studio", "--server", self.server, "-m", "tiny")
        self.assertEqual(r.code, 0, r.err)
        self.assertTrue(r.out.startswith(self.backend + " answers"))
        for words in ("Connect Model", "--labeling-folder", "Retrieve Predictions", "<BrushLabels"):
            self.assertIn(words, r.out)
        for more, tag in (((), "BrushLabels"), (("--polygons",), "PolygonLabels")):
            r = whynot("connect", "label-studio", "--server", self.server, "-m", "tiny", "--print", *more)
            view = xml.etree.ElementTree.fromstring(r.out)
            self.assertEqual([c.get("value") for c in view.iter("Choice")], daemon.LABELS)
            self.assertIsNotNone(view.find(tag))
            a = self.d.ask({"schema": r.out}, "/v1/models/tiny/label-studio/setup")  # the daemon finds nothing amiss in it
            self.assertEqual((a.status, a.json["notes"]), (200, []))
        self.assertEqual(whynot("connect", "excel").code, 2)

    def test_bench_hands_its_words_on(self):
        r = whynot("bench")
        self.assertEqual(r.code, 2)
        self.assertIn("engine", r.err)
        r = whynot("bench", "engine", "--model", os.path.join(self.models, "tiny", "model.onnx"), "--rounds", "1", "--no-bare", "--json")
        self.assertEqual(r.code, 0, r.err)
        self.assertIn("explain", r.out)
        self.assertEqual(whynot("bench", "--help").code, 0)


if __name__ == "__main__":
    unittest.main()
