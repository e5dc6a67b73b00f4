"""A daemon, a browser, and what every test of the page holds: no complaint in the console, no request to another host."""
import contextlib
import os
import sys
import unittest
from urllib.parse import urlparse

import browser

browser.require()

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "../../models")
SAMPLES = os.path.join(MODELS, "signs-resnet/samples")
sys.path.insert(0, os.path.join(HERE, "../http"))
import daemon  # noqa: E402

P, Q = "no right turn", "no left turn"  # what the page asks about at first


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = daemon.Daemon(MODELS, "--drain-ms", "0").__enter__()
        cls.b = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.b.close()
        cls.d.__exit__(None, None, None)

    def setUp(self):
        self.allowed = ()
        self.b.view(1280, 900)
        self.b.listen()
        self.b.requests, self.b.complaints = [], []

    @contextlib.contextmanager
    def another(self, d):
        """The page of another daemon, which is judged as every page is; then the first one's again."""
        own, type(self).d = self.d, d
        try:
            yield
            self.tearDown()
        finally:
            type(self).d = own
            self.b.open("about:blank")
            self.b.listen()
            self.b.requests, self.b.complaints = [], []

    def tearDown(self):
        self.b.listen()
        hosts = {urlparse(u).netloc for u in self.b.requests if u.startswith(("http", "ws"))}
        self.assertLessEqual(hosts, {"127.0.0.1:%d" % self.d.port})
        self.assertEqual([c for c in self.b.complaints if not any(a in c for a in self.allowed)], [])

    def url(self, fragment=""):
        return "http://127.0.0.1:%d/%s" % (self.d.port, fragment)

    def open(self, fragment="", more="true"):
        self.b.open(self.url(fragment))
        self.b.answered(more)

    def asked(self):
        """How many questions this document has sent."""
        return self.b.js("return performance.getEntriesByType('resource').filter((r) => r.name.includes('/explain')).length")

    def drawn(self, i=0):
        return self.b.js("return document.querySelectorAll('#panel .tile canvas')[arguments[0]].toDataURL()", i)

    def choose(self, select, value):
        """As a person does: by the option, with the change event."""
        self.b.js("const e = document.getElementById(arguments[0]); e.value = arguments[1]; if (e.value !== arguments[1]) throw new Error('no option ' + arguments[1]); e.dispatchEvent(new Event('change', {bubbles: true}))", select, value)

    def click(self, selector):
        self.b.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.b.one(selector).click()

    def tiles(self, selector="#panel .tile"):
        return self.b.js("return [...document.querySelectorAll(arguments[0])].map((t) => t.querySelector('.head').textContent)", selector)

    def api(self, query, name="no-right-turn-1.png", model="signs-resnet", **headers):
        with open(os.path.join(SAMPLES, name), "rb") as f:
            return self.d.explain(f.read(), "?" + query, model, **headers)
