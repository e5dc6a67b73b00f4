"""The page's files come out of the binary as they are in clients/web: small, kept by their ETag, and able to load nothing from elsewhere."""
import base64
import gzip
import hashlib
import os
import re
import tempfile
import unittest

import daemon

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../clients/web")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FILES = sorted(f for f in os.listdir(WEB) if os.path.splitext(f)[1] in TYPES)
LINK = b'<link rel="stylesheet" href="/page/style.css">'


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        daemon.tiny_models(cls.folder.name)
        model = daemon.write_model(cls.folder.name, "shown", daemon.tiny_onnx.classifier(seed=3), daemon.LABELS, 16,
                                   samples=[{"file": "samples/a.png", "label": "stop", "why_not": "yield"}])
        os.mkdir(os.path.join(model, "samples"))
        for name in ("a.png", "secret.png"):
            with open(os.path.join(model, "samples", name), "wb") as f:
                f.write(daemon.picture(1))
        cls.d = daemon.Daemon(cls.folder.name).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()

    def source(self, name):
        with open(os.path.join(WEB, name), "rb") as f:
            text = f.read()
        if name == "index.html":
            self.assertEqual(text.count(LINK), 1)
            text = text.replace(LINK, b"<style>" + self.source("style.css") + b"</style>")
        return text

    def test_every_file_arrives_as_it_is_plain_and_gzipped(self):
        self.assertIn("index.html", FILES)
        for name in FILES:
            path = "/" if name == "index.html" else "/page/" + name
            plain, packed = self.d.get(path), self.d.get(path, Accept_Encoding="br, gzip;q=0.8")
            self.assertEqual((plain.status, plain.body), (200, self.source(name)), name)
            self.assertEqual((packed.headers["Content-Encoding"], gzip.decompress(packed.body)), ("gzip", plain.body))
            self.assertEqual(plain.headers["Content-Type"], TYPES[os.path.splitext(name)[1]])
            self.assertEqual((plain.headers["Vary"], plain.headers["Cache-Control"]), ("Accept-Encoding", "no-cache"))
            self.assertIsNone(plain.headers["Content-Encoding"])
        self.assertIsNone(self.d.get("/", Accept_Encoding="gzip;q=0").headers["Content-Encoding"])

    def test_what_is_there_already_is_not_sent_again(self):
        etag = self.d.get("/").headers["ETag"]
        self.assertRegex(etag, '^"[0-9a-f]{16}"$')
        for known in (etag, "W/" + etag, '"other", ' + etag):
            again = self.d.get("/", If_None_Match=known)
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", etag))
        self.assertEqual(self.d.get("/", If_None_Match='"other"').status, 200)

    def test_the_page_loads_nothing_from_elsewhere(self):
        policy = self.d.get("/").headers["Content-Security-Policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        style = base64.b64encode(hashlib.sha256(self.source("style.css")).digest()).decode()
        self.assertEqual((rules["default-src"], rules["script-src"], rules["style-src"], rules["connect-src"]), ("'none'", "'self'", "'sha256-%s'" % style, "'self'"))
        self.assertEqual((rules["frame-ancestors"], rules["base-uri"], rules["form-action"]), ("'none'",) * 3)
        for name in FILES:
            text = self.source(name).decode()
            self.assertNotRegex(re.sub(r"http://www\.w3\.org/2000/svg", "", text), r"(https?:)?//[a-z0-9-]+\.[a-z]", name)
            self.assertNotRegex(text, r"innerHTML|\beval\(|new Function|document\.write", name)

    def test_the_page_is_under_60_kb(self):
        sent = sum(len(self.d.get("/" if f == "index.html" else "/page/" + f, Accept_Encoding="gzip").body) for f in FILES)
        print("the page is %.1f KB gzipped, in %d files" % (sent / 1024, len(FILES)))
        self.assertLess(sent, 60 * 1024)

    def test_no_other_file_is_served(self):
        for name in ("nothing.js", "style.css", "route_page.c", "..", "%2e%2e", "index.html%00", "INDEX.HTML"):
            self.assertIn(self.d.get("/page/" + name).status, (400, 404), name)

    def test_samples_are_served_and_only_those_that_the_manifest_lists(self):
        a = self.d.get("/v1/models/shown/sample?file=samples/a.png")
        self.assertEqual((a.status, a.headers["Content-Type"], a.body), (200, "image/png", daemon.picture(1)))
        for query in ("", "?file=", "?file=samples/secret.png", "?file=model.onnx", "?file=../tiny/labels.txt", "?file=samples/./a.png"):
            self.assertEqual(self.d.get("/v1/models/shown/sample" + query).json["code"], "NOT_FOUND", query)
        self.assertEqual(self.d.get("/v1/models/none/sample?file=samples/a.png").json["code"], "NO_SUCH_MODEL")

    def test_methods_say_which_fields_are_theirs(self):
        fields = self.d.get("/openapi.json").json["components"]["schemas"]["Question"]["properties"]
        options = {m["name"]: m["options"] for m in self.d.get("/v1/methods").json["methods"]}
        self.assertIn("steps", options["ig"])
        self.assertEqual(options["gradcam"], [])
        self.assertLessEqual({o for row in options.values() for o in row}, set(fields))

    def test_colour_maps_come_with_256_colours(self):
        maps = self.d.get("/v1/colormaps").json["colormaps"]
        self.assertIn("viridis", [m["name"] for m in maps])
        for m in maps:
            self.assertRegex(m["palette"], "^[0-9a-f]{1536}$")
        diverging = [m for m in maps if m["diverging"]][0]["palette"]
        low, high = (int(diverging[i:i + 2], 16) for i in (0, 1530))
        self.assertGreater(high, low)  # red at the upper end


if __name__ == "__main__":
    unittest.main()
