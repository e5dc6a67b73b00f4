"""Who may ask: keys and their scopes, names of this server, pages of other sites; and what the log says of them."""
import base64
import hashlib
import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import daemon
from daemon import picture

ALICE, OPERATOR, PROBE, PREDICTOR = "alice-0123456789abcdef", "operator~0123456789+/==", "probe.0123456789abcdef", "predict-0123456789abcdef"
KEYS = """# name scopes token
alice explain,predict sha256:%s
operator\texplain,admin %s

probe - %s
predictor predict %s
""" % (hashlib.sha256(ALICE.encode()).hexdigest(), OPERATOR, PROBE, PREDICTOR)
EXPLAIN = "/v1/models/tiny/explain"
# path, method, and which scope it wants; what is not open wants at least any key
OPEN = ["/livez", "/readyz", "/", "/ping", "/v2/health/live", "/v2/health/ready", "/health", "/v1/models/{model}/label-studio/health"]


def bearer(token):
    return {"Authorization": "Bearer " + token}


def write_keys(path, text, mode=0o600):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.file = os.path.join(cls.folder.name, "keys")
        os.mkdir(os.path.join(cls.folder.name, "models"))
        write_keys(cls.file, KEYS)
        cls.d = daemon.Daemon(daemon.tiny_models(os.path.join(cls.folder.name, "models")), "--keys", cls.file, "--model-control").__enter__()

    @classmethod
    def tearDownClass(cls):
        text = cls.d.errors()
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()
        for token in (ALICE, OPERATOR, PROBE, PREDICTOR):
            assert token not in text, "a token is in the log"

    def status(self, path, headers=None, method="GET", body=None):
        return self.d.request(method, path, body, headers or {}).status

    def refused(self, answer, status):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "application/problem+json"), answer.body)
        if status == 401:
            self.assertEqual(answer.headers["WWW-Authenticate"], 'Bearer realm="whynot"')

    def test_every_route_but_the_open_ones_wants_a_key(self):
        api = self.d.request("GET", "/openapi.json", headers=bearer(PROBE)).json
        self.assertGreater(len(api["paths"]), 15)
        for path, methods in api["paths"].items():
            plain = path.replace("{model}", "tiny").replace("{version}", "1").replace("{file}", "none")
            for method in methods:
                body = picture(1) if method == "post" else None
                security = methods[method]["security"]
                a = self.d.request(method.upper(), plain, body)
                if path in OPEN or path.startswith("/page/"):
                    self.assertEqual(security, [], path)
                    self.assertIn(a.status, (200, 404), path)
                    self.assertNotIn(b"tiny", a.body)
                else:
                    self.assertTrue(security, path)
                    self.refused(a, 401)

    def test_a_token_is_also_the_password_of_basic(self):
        for text, status in (("any:" + ALICE, 200), (":" + ALICE, 200), ("any:" + PROBE, 403), (ALICE, 401), (ALICE + ":", 401), ("any:" + ALICE + "\0", 401), ("a" * 2000 + ":" + ALICE, 401)):
            headers = {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
            self.assertEqual(self.d.request("POST", EXPLAIN, picture(1), headers).status, status, text)
        for value in ("Basic", "Basic ", "Basic ====", "Basic !", "basic " + base64.b64encode((":" + ALICE).encode()).decode()):
            self.assertEqual(self.d.request("POST", EXPLAIN, picture(1), {"Authorization": value}).status, 401)

    def test_without_a_key_nothing_can_be_told_apart(self):
        answers = set()
        for method, path in (("GET", "/v1/models/tiny"), ("GET", "/v1/models/none"), ("GET", "/nope"), ("POST", EXPLAIN), ("POST", "/v1/models/none/explain"), ("PUT", "/v1/models"),
                             ("GET", "//v1/models"), ("GET", "/v1/%6dodels"), ("GET", "/v1/models/"), ("POST", "/v2/repository/models/tiny/load"), ("HEAD", "/v1/models"),
                             ("GET", "/metrics"), ("GET", "/version"), ("GET", "/v2/repository/models/tiny/unload;")):
            a = self.d.request(method, path)
            self.assertEqual(a.status, 401, path)
            self.assertIsNone(a.headers["Allow"])
            if method != "HEAD":
                self.assertEqual(a.json["instance"], "urn:whynot:request:" + a.json["request_id"])
                answers.add(json.dumps({k: v for k, v in a.json.items() if k not in ("request_id", "instance")}))
        self.assertEqual(len(answers), 1)

    def test_tokens_that_are_not_right(self):
        for value in ("", "Bearer", "Bearer ", "Bearer x", "Bearer " + ALICE + "x", "Bearer " + ALICE[:-1], "bearer " + ALICE, "BEARER " + ALICE, "Bearer  " + ALICE, "Bearer\t" + ALICE,
                      *([] if daemon.library_is_strict() else ["Bearer " + ALICE + " "]),  # a strict one takes the blank off, as the standard says
                      "Bearer " + ALICE + ",", "Bearer " + ALICE.upper(), "Basic " + ALICE, ALICE, "Token " + ALICE, "Bearer " + "a" * 8192,
                      "Bearer " + hashlib.sha256(ALICE.encode()).hexdigest(), "Bearer sha256:" + hashlib.sha256(ALICE.encode()).hexdigest(), "Bearer " + ALICE + "\u00e9",
                      "Bearer \"%s\"" % ALICE, "Bearer " + ALICE + ";a=b"):
            self.refused(self.d.request("GET", "/v1/models", headers={"Authorization": value}), 401)
        for path in ("/v1/models?token=" + ALICE, "/v1/models?access_token=" + ALICE, "/v1/models?key=" + ALICE):
            self.refused(self.d.get(path), 401)
        self.refused(self.d.get("/v1/models", X_Api_Key=ALICE, Cookie="token=" + ALICE), 401)
        lines = b"Authorization: Bearer %s\r\n" % ALICE.encode()
        for two in (lines * 2, lines + b"authorization: Bearer x\r\n"):
            a = self.d.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + two + b"\r\n")
            self.assertRegex(a, b"^HTTP/1.1 40[01]")
        self.assertEqual(self.status("/v1/models", bearer(ALICE)), 200)

    def infer(self, token, *outputs):
        body = {"inputs": [{"name": "input", "datatype": "BYTES", "shape": [1], "data": [daemon.b64(picture(1))]}], "outputs": [{"name": o} for o in outputs]}
        return self.d.request("POST", "/v2/models/tiny/infer", json.dumps(body), dict(bearer(token), **{"Content-Type": "application/json"}))

    def test_what_infer_wants_depends_on_what_it_asks_for(self):
        for token, logits, maps in ((ALICE, 200, 200), (OPERATOR, 200, 200), (PREDICTOR, 200, 403), (PROBE, 403, 403)):
            self.assertEqual(self.infer(token, "logits", "probabilities").status, logits, token)
            self.assertEqual(self.infer(token).status, logits, token)
            for output in ("explanation", "map"):
                self.assertEqual(self.infer(token, "logits", output).status, maps, (token, output))
        body = {"inputs": [{"name": "input", "datatype": "BYTES", "shape": [1], "data": [daemon.b64(picture(1))]}], "parameters": {"explain": True}}
        a = self.d.request("POST", "/v2/models/tiny/infer", json.dumps(body), dict(bearer(PREDICTOR), **{"Content-Type": "application/json"}))
        self.refused(a, 403)

    def test_scopes(self):
        for token, explain, load in ((ALICE, 200, 403), (OPERATOR, 200, 200), (PROBE, 403, 403), (PREDICTOR, 403, 403)):
            for path in ("/v1/models", "/v1/models/tiny", "/metrics", "/version"):
                self.assertEqual(self.status(path, bearer(token)), 200)
            self.assertEqual(self.status(EXPLAIN, bearer(token), "POST", picture(1)), explain, token)
            self.assertEqual(self.status("/v2/repository/models/tiny/load", bearer(token), "POST", "{}"), load, token)
        self.refused(self.d.request("POST", EXPLAIN, picture(1), bearer(PROBE)), 403)

    def test_a_key_without_the_scope_is_told_which_one_is_wanted(self):
        for path, scope in ((EXPLAIN, "explain"), ("/v1/models/tiny:predict", "predict"), ("/predictions/tiny", "predict"), ("/v2/models/tiny/infer", "predict or explain"),
                            ("/v2/repository/models/tiny/load", "admin"), ("/v1/models/tiny/evaluate", "explain")):
            a = self.d.request("POST", path, "{}", bearer(PROBE))
            self.refused(a, 403)
            self.assertIn("the scope %s," % scope, a.json["detail"], path)

    def test_a_body_is_not_read_without_a_key(self):
        a = self.d.raw(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n" % EXPLAIN.encode())
        self.assertTrue(a.startswith(b"HTTP/1.1 401"), a[:100])
        self.assertIn(b"Connection: close", a)

    def test_other_paths_to_admin(self):
        for path in ("//v2/repository/models/tiny/load", "/v2/repository/models/tiny/load/", "/v2/repository/models/tiny/%6coad", "/v2//repository/models/tiny/load",
                     "/V2/repository/models/tiny/load", "/v2/repository/models/tiny/load;", "/x/../v2/repository/models/tiny/load", "/v2/./repository/models/tiny/load"):
            for headers, status in (({}, 401), (bearer(ALICE), 404), (bearer(OPERATOR), 404)):
                self.assertEqual(self.status(path, headers, "POST", "{}"), status, path)
        for method in ("HEAD", "GET", "PUT"):
            self.assertEqual(self.status("/v2/repository/models/tiny/load", bearer(ALICE), method), 405)
            self.assertEqual(self.status("/v2/repository/models/tiny/load", None, method), 401)

    def test_readiness_tells_its_reasons_to_admins(self):
        self.assertEqual(self.d.get("/readyz").json, {"status": "ready"})
        self.assertEqual(self.d.request("GET", "/readyz", headers=bearer(ALICE)).json, {"status": "ready"})
        self.assertEqual(self.d.request("GET", "/readyz", headers=bearer("wrong-0123456789abcdef")).json, {"status": "ready"})
        told = self.d.request("GET", "/readyz", headers=bearer(OPERATOR)).json
        self.assertEqual([m["name"] for m in told["models"]], ["other", "tiny"])

    def test_only_an_admin_hears_why_it_is_not_ready(self):
        models = os.path.join(self.folder.name, "broken")
        daemon.tiny_models(models)
        with open(os.path.join(models, "other", "model.onnx"), "wb") as f:
            f.write(b"rubbish")
        with daemon.Daemon(models, "--keys", self.file, "--drain-ms", "20000") as d:
            told = d.request("GET", "/readyz", headers=bearer(OPERATOR)).json
            self.assertEqual([(m["name"], m["ready"]) for m in told["models"]], [("other", False), ("tiny", True)])
            self.assertIn("ONNX", told["models"][0]["reason"])
            d.process.send_signal(signal.SIGTERM)
            daemon.wait_until(lambda: d.get("/readyz").status == 503)
            for headers, words in ((bearer(OPERATOR), "the server is stopping"), (bearer(ALICE), "not ready"), ({}, "not ready")):
                a = d.request("GET", "/readyz", headers=headers)
                self.assertEqual((a.status, a.json["detail"]), (503, words))
                self.assertNotIn(b"tiny", a.body)

    def test_nothing_without_a_key_names_a_model(self):
        for path in OPEN + ["/page/none", "/v1/models", "/v2", "/ping", "/nope"]:
            a = self.d.get(path)
            self.assertNotIn(b"tiny", a.body, path)

    def test_keys_are_read_again_and_no_request_is_lost(self):
        over, statuses = threading.Event(), set()

        def ask():
            c = self.d.connect()
            while not over.is_set():
                statuses.add(self.d.request("POST", EXPLAIN, picture(1), bearer(ALICE), c).status)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            fresh = "fresh-0123456789abcdef"
            for i in range(10):
                write_keys(self.file, "first explain %s\n" % fresh + KEYS if i % 2 == 0 else KEYS)
                self.d.process.send_signal(signal.SIGHUP)
                daemon.wait_until(lambda: self.status("/v1/models", bearer(fresh)) == (200 if i % 2 == 0 else 401), 5)
            for text, mode in (("", 0o600), ("nonsense\n", 0o600), (KEYS, 0o644)):
                before = self.d.errors().count("the keys stay as they were")
                write_keys(self.file, text, mode)
                self.d.process.send_signal(signal.SIGHUP)
                daemon.wait_until(lambda: self.d.errors().count("the keys stay as they were") > before, 5)
                self.assertEqual(self.status("/v1/models", bearer(ALICE)), 200)
        finally:
            write_keys(self.file, KEYS)
            over.set()
            for t in threads:
                t.join()
        self.assertEqual(statuses, {200})

    def test_a_line_names_the_key_and_the_trace(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        a = self.d.request("POST", EXPLAIN, picture(1), dict(bearer(ALICE), traceparent="00-%s-00f067aa0ba902b7-01" % trace, **{"X-Request-Id": "audit-1"}))
        self.assertRegex(a.headers["traceparent"], "^00-%s-[0-9a-f]{16}-01$" % trace)
        self.assertNotIn("00f067aa0ba902b7", a.headers["traceparent"])
        line = self.line("audit-1")
        self.assertEqual((line["key"], line["trace_id"], line["parent_id"], line["client"], line["model"]), ("alice", trace, "00f067aa0ba902b7", "127.0.0.1", "tiny"))
        self.assertEqual(line["span_id"], a.headers["traceparent"].split("-")[2])

    def line(self, request_id):
        found = []

        def look():
            found[:] = [x for x in map(json.loads, self.d.errors().splitlines()) if x.get("request_id") == request_id]
            return found
        daemon.wait_until(look, 5)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_lines_stay_lines_and_hold_no_more_than_they_should(self):
        for value in ("a\x1b[2J", "\u202eevil", "x" * 10000, "a b", "%n%s%n"):
            self.d.request("GET", "/livez", headers={"X-Request-Id": value.encode("utf-8", "replace").decode("latin-1")})
        secret = "wonderful-secret-label" * 20
        self.d.request("POST", EXPLAIN + "?why_not=" + secret, picture(1), dict(bearer(ALICE), **{"X-Request-Id": "audit-2"}))
        line = self.line("audit-2")
        self.assertLessEqual(len(line["problem"]), 200)
        for text in self.d.errors().splitlines():
            line = json.loads(text)
            self.assertRegex(line.get("request_id", "a"), r"^[A-Za-z0-9._-]{1,64}$")
            self.assertLess(len(text), 1200)


class Core(unittest.TestCase):
    """In a folder that may be written, without a limit: whether a process that crashes leaves its memory behind."""

    def crash(self, words, folder, ready):
        def unlimited():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        theirs = {name: "handle_segv=0" for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")}  # sanitizers would take the signal
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=unlimited, env=dict(os.environ, **theirs))
        with process.stdout:
            for line in process.stdout:
                if ready in line:
                    break
        os.kill(process.pid, signal.SIGSEGV)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
        self.assertEqual(os.WTERMSIG(status), signal.SIGSEGV)
        return os.WCOREDUMP(status)

    def test_a_crash_leaves_no_pictures_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            if not self.crash(["sh", "-c", "echo ready; exec sleep 600"], folder, b"ready"):
                self.skipTest("no process leaves a core here")
            models = os.path.join(folder, "models")
            os.mkdir(models)
            self.assertFalse(self.crash([os.environ["WHYNOTD"], daemon.tiny_models(models), "--port", "0"], folder, b"/metrics"))


class KeyFiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.models = os.path.join(self.folder.name, "models")
        os.mkdir(self.models)
        daemon.tiny_models(self.models)
        self.file = os.path.join(self.folder.name, "keys")

    def start(self, *options, environment=None):
        return daemon.Daemon(self.models, *options, environment=environment, wait=False)

    def fails(self, words, *options, environment=None):
        d = self.start(*options, environment=environment)
        code = d.process.wait(60)
        text = d.errors()
        d.stop()
        d.log.close()
        self.assertNotEqual(code, 0)
        self.assertIn(words, text)
        self.assertNotIn(ALICE, text)

    def test_files_that_are_wrong(self):
        for text, words in (("alice explain\n", "name scopes token"), ("a b c d e\n", "name scopes token"), ("a explain %s highest\n" % ALICE, "priority is low, normal or high"), ("al/ice explain %s\n" % ALICE, "a name is"), ("a" * 33 + " - " + ALICE, "a name is"),
                            ("alice fly %s\n" % ALICE, "scopes are"), ("alice explain short\n", "16 to 512"), ("alice explain %s!\n" % ALICE, "16 to 512"), ("alice explain sha256:12\n", "64 hexadecimal"),
                            ("alice - %s\nalice - %sx\n" % (ALICE, ALICE), "line 2: the name is there twice"), ("alice - %s\nbob - %s\n" % (ALICE, ALICE), "line 2: the token is there twice"),
                            ("# nothing\n", "holds no key"), ("", "holds no key"), ("a" * 300000, "too long"), ("alice - %s\0\n" % ALICE, "zero byte"),
                            ("".join("k%d - %s%d\n" % (i, ALICE, i) for i in range(256)), "more than 255")):
            write_keys(self.file, text)
            self.fails(words, "--keys", self.file)
        self.fails("cannot be opened", "--keys", self.file + "-none")
        self.fails("not a regular file", "--keys", self.folder.name)

    def test_files_that_others_can_read(self):
        for mode in (0o644, 0o640, 0o604, 0o660, 0o602):
            write_keys(self.file, KEYS, mode)
            self.fails("chmod 600", "--keys", self.file)

    def test_credential_of_systemd(self):
        write_keys(os.path.join(self.folder.name, "whynot-keys"), KEYS, 0o440)
        with daemon.Daemon(self.models, environment={"CREDENTIALS_DIRECTORY": self.folder.name}) as d:
            self.assertEqual(d.get("/v1/models").status, 401)
            self.assertEqual(d.request("GET", "/v1/models", headers=bearer(ALICE)).status, 200)

    def test_public_addresses_want_keys(self):
        self.fails("--keys FILE asks, --insecure says", "--host", "0.0.0.0")
        write_keys(self.file, KEYS)
        with daemon.Daemon(self.models, "--host", "0.0.0.0", "--allow-root", "--keys", self.file) as d:
            self.assertIn("put TLS in front", d.errors())
            self.assertEqual(d.get("/v1/models").status, 401)
            self.assertEqual(d.get("/livez", Host="192.0.2.7:8420").status, 200)
            self.assertEqual(d.get("/livez", Host="name.example").status, 421)

    def test_public_without_keys_gives_no_admin(self):
        with daemon.Daemon(self.models, "--host", "0.0.0.0", "--allow-root", "--insecure", "--model-control") as d:
            self.assertEqual(d.get("/readyz").json, {"status": "ready"})
            self.assertEqual(d.explain(picture(1)).status, 200)
            self.assertEqual(d.request("POST", "/v2/repository/models/tiny/unload", "{}").status, 403)

    def test_a_key_is_never_an_argument(self):
        self.fails("cannot be opened", "--keys", "alice:explain")


class Browsers(unittest.TestCase):
    """Pages of other sites, in the browser of somebody whose machine reaches the daemon."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        daemon.tiny_models(cls.folder.name)
        cls.d = daemon.Daemon(cls.folder.name).__enter__()
        cls.listed = daemon.Daemon(cls.folder.name, "--cors-origins", "https://a.example, https://b.example:8443", "--hosts", "why.example, other.example").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.listed.__exit__(None, None, None)
        cls.folder.cleanup()

    def test_names_that_are_not_ours(self):
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "localhost@evil", "127.0.0.1:80:80", "127.0.0.1:", "127.0.0.1:x", "", "127.0.0.2",
                     "[::2]", "[::1", "[::1]x", "::1", "10.0.0.1", "localhost.", "0", "0x7f000001", "127.1", "127.0.0.1:999999", "127.0.0.1/", "a," * 200):
            a = self.d.get("/livez", Host=host)
            if host not in ("127.0.0.1:",):
                self.assertEqual((a.status, a.json["code"]), (421, "WRONG_HOST"), host)
                self.assertEqual(a.headers["Connection"], "close")
        for host in ("127.0.0.1", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8420", "127.0.0.1:%d" % self.d.port):
            self.assertEqual(self.d.get("/livez", Host=host).status, 200, host)
        for host in ("why.example", "WHY.example:443", "other.example"):
            self.assertEqual(self.listed.get("/livez", Host=host).status, 200, host)
        self.assertEqual(self.listed.get("/livez", Host="hy.example").status, 421)
        self.assertEqual(self.listed.get("/livez", Host="why.example,").status, 421)

    def post(self, d, **headers):
        return d.request("POST", EXPLAIN, picture(1), dict({"Content-Type": "image/png"}, **{k.replace("_", "-"): v for k, v in headers.items()}))

    def test_posts_of_other_sites(self):
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:%d" % self.d.port, "http://127.0.0.1:%d.evil.example" % self.d.port, "file://", "", "x" * 300):
            a = self.post(self.d, Origin=origin)
            self.assertEqual((a.status, a.json["code"]), (403, "FORBIDDEN"), origin)
        for site in ("cross-site", "same-site", "anything"):
            self.assertEqual(self.post(self.d, Sec_Fetch_Site=site).status, 403)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
            self.assertEqual(self.post(self.d, Origin="https://evil.example", Content_Type=kind).status, 403)
        self.assertEqual(self.post(self.d, Content_Type="text/plain").status, 415)
        own = "http://127.0.0.1:%d" % self.d.port
        self.assertEqual(self.post(self.d, Origin=own, Sec_Fetch_Site="same-origin").status, 200)
        self.assertEqual(self.post(self.d, Origin=own, Content_Type="application/x-www-form-urlencoded").status, 415)
        self.assertEqual(self.post(self.d, Content_Type="application/x-www-form-urlencoded").status, 200)  # curl
        self.assertEqual(self.post(self.d, Sec_Fetch_Site="none").status, 200)

    def cors(self, answer):
        return sorted(k for k in answer.headers if k.lower().startswith("access-control"))

    def test_no_origin_is_let_in_by_default(self):
        for d, origin in ((self.d, "https://a.example"), (self.listed, "https://evil.example"), (self.listed, "https://a.example.evil"), (self.listed, "https://a.exampl"), (self.listed, "http://a.example"),
                          (self.listed, "null"), (self.listed, "*"), (self.listed, "https://b.example"),
                          (self.listed, "https://a.example,"), (self.listed, "https://a.example, https://b.example:8443")):
            for a in (d.get("/v1/models", Origin=origin), self.preflight(d, origin), self.post(d, Origin=origin)):
                self.assertEqual(self.cors(a), [], origin)
                self.assertNotEqual(a.status, 204)

    def preflight(self, d, origin):
        return d.request("OPTIONS", EXPLAIN, headers={"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"})

    def test_a_body_that_comes_too_late_is_answered_with_every_header(self):
        with daemon.Daemon(self.folder.name, "--cors-origins", "https://a.example", "--body-timeout-ms", "300") as d:
            trace, origin = "4bf92f3577b34da6a3ce929d0e0e4736", "https://a.example"
            lines = {"Origin": origin, "traceparent": "00-%s-00f067aa0ba902b7-01" % trace, "Content-Type": "image/png"}
            head = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n" % EXPLAIN + "".join("%s: %s\r\n" % x for x in lines.items())
            first, *late = d.raw(head.encode() + b"\r\nabc").decode().split("\r\n\r\n")[0].split("\r\n")
            late, usual = dict(line.split(": ", 1) for line in late), d.request("POST", EXPLAIN, b"no picture", lines)
            self.assertEqual((first.split()[1], usual.status), ("408", 415))
            self.assertEqual(set(late) - {"Connection"}, set(usual.headers) - {"Connection"})
            for name in set(late) - {"Connection", "Content-Length", "Date", "X-Request-Id", "Server-Timing", "traceparent"}:
                self.assertEqual(late[name], usual.headers[name])
            self.assertEqual(late["traceparent"].split("-")[1], trace)
            self.assertRegex(late["Server-Timing"], r"^total;dur=([3-9]\d\d|\d{4,})\.")
            self.assertEqual(late["Access-Control-Allow-Origin"], origin)

    def test_listed_origins(self):
        for origin in ("https://a.example", "https://b.example:8443"):
            a = self.preflight(self.listed, origin)
            self.assertEqual((a.status, a.body, a.headers["Access-Control-Allow-Origin"], a.headers["Vary"]), (204, b"", origin, "Origin"))
            # all that the API takes and a browser sends only where it may
            self.assertEqual(set(a.headers["Access-Control-Allow-Headers"].split(", ")),
                             {"Authorization", "Content-Type", "If-None-Match", "Inference-Header-Content-Length", "X-Request-Id", "X-Request-Priority",
                              "X-Request-Timeout-Ms", "traceparent"})
            a = self.post(self.listed, Origin=origin, Sec_Fetch_Site="cross-site")
            self.assertEqual((a.status, a.headers["Access-Control-Allow-Origin"]), (200, origin))
            self.assertIsNone(a.headers["Access-Control-Allow-Credentials"])
        self.assertEqual(self.listed.get("/livez").headers["Vary"], "Origin")

    def test_a_preflight_needs_no_key_and_exposes_nothing(self):
        """A browser sends none with it. Whatever the path, it is the same answer: headers, and no body."""
        keys = os.path.join(self.folder.name, "keys")
        write_keys(keys, KEYS)
        self.addCleanup(os.remove, keys)
        with daemon.Daemon(self.folder.name, "--keys", keys, "--cors-origins", "https://a.example") as d:
            answers = set()
            for path in (EXPLAIN, "/v1/models/none/explain", "/v2/repository/models/tiny/load", "/nope"):
                a = d.request("OPTIONS", path, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"})
                self.assertEqual((a.status, a.body), (204, b""), path)
                answers.add(tuple(sorted((k, v) for k, v in a.headers.items() if k not in ("Date", "X-Request-Id", "traceparent", "Server-Timing"))))
            self.assertEqual(len(answers), 1)
            self.assertEqual(d.request("OPTIONS", EXPLAIN, headers={"Origin": "https://b.example", "Access-Control-Request-Method": "POST"}).status, 401)

    def test_headers_of_every_answer(self):
        for path, method in (("/livez", "GET"), ("/", "GET"), ("/nope", "GET"), ("/v1/models/none", "GET"), ("/livez", "PUT"), (EXPLAIN, "POST"), ("/metrics", "GET"), ("/%zz", "GET")):
            h = self.d.request(method, path, b"x" if method == "POST" else None).headers
            self.assertEqual((h["X-Content-Type-Options"], h["Cross-Origin-Resource-Policy"], h["Referrer-Policy"]), ("nosniff", "same-origin", "no-referrer"), path)
            self.assertIn(h["Cache-Control"], ("no-store", "no-cache") if path == "/" else ("no-store",))
            self.assertIn("default-src 'none'", h["Content-Security-Policy"])
            self.assertIn("frame-ancestors 'none'", h["Content-Security-Policy"])
            self.assertIsNone(h["Server"])

    def test_no_detail_of_the_inside_is_told(self):
        for a in (self.d.get("/nope"), self.d.get("/v1/models/none"), self.d.explain(b"x"), self.d.ask({"image": {"b64": "!"}}), self.d.ask({"image": {"url": "file:///etc/passwd"}}),
                  self.d.ask({"model": "../../etc/passwd"}), self.d.get("/v1/models"), self.d.get("/readyz")):
            for inside in (self.folder.name.encode(), b"/work", b"/usr", b"0x7f", b".c:"):
                self.assertNotIn(inside, a.body)


if __name__ == "__main__":
    unittest.main()
