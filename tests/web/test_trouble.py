"""The page in a real browser: a server that is gone, slow, busy or wants a key, and a question that names no class."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import PageTest, daemon


class Trouble(PageTest):
    def test_a_server_that_is_gone_is_named_and_asked_again_when_it_is_back(self):
        self.allowed = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED")
        self.open()
        port = self.d.port
        self.assertEqual(self.d.stop(), 0)
        self.d.log.close()
        self.choose("contrast", "max")
        self.b.wait("document.querySelector('#notice').textContent.includes('The server does not answer.')")
        type(self).d = daemon.Daemon(harness.MODELS, "--port", str(port)).__enter__()
        self.b.answered("document.querySelector('#notice').textContent === '' && document.querySelectorAll('#panel .tile').length === 2")

    def test_a_slow_answer_can_be_stopped_and_asked_again(self):
        self.open()
        self.b.js("""window.real = window.fetch; window.fetch = (u, o) => new Promise((ok, no) => {
                     const t = setTimeout(() => window.real(u, o).then(ok, no), u.includes('/explain') ? 4000 : 0);
                     o?.signal?.addEventListener('abort', () => { clearTimeout(t); no(new DOMException('', 'AbortError')); }); })""")
        self.choose("contrast", "max")
        self.b.wait("document.querySelector('#status').textContent === 'Asking …' && !document.querySelector('#cancel').hidden")
        self.assertEqual(self.b.js("return document.querySelector('#panel').getAttribute('aria-busy')"), "true")
        self.click("#cancel")
        self.b.wait("document.querySelector('#status').textContent === 'Stopped.' && document.querySelector('#cancel').hidden")
        self.b.js("window.fetch = window.real")
        self.choose("contrast", "mean")
        self.b.answered("document.querySelector('#status').textContent.startsWith('Answered')")

    def test_only_the_last_question_is_shown(self):
        self.open()
        self.b.js("""const real = window.fetch; window.fetch = (u, o) => u.includes('contrast=max') ? new Promise((ok) => setTimeout(() => ok(real(u, {...o, signal: null})), 500)) : real(u, o)""")
        self.choose("contrast", "max")
        self.choose("contrast", "pair")
        time.sleep(0.8)
        self.b.answered()
        self.assertEqual(len(self.tiles()), 3)

    def test_a_busy_server_is_asked_again(self):
        self.open()
        self.b.js("""const real = window.fetch; let n = 0; window.fetch = (u, o) => u.includes('/explain') && n++ < 1 ?
                     Promise.resolve(new Response('{}', {status: 429, headers: {'Retry-After': '1'}})) : real(u, o)""")
        self.choose("contrast", "mean")
        self.b.wait("document.querySelector('#status').textContent.includes('asking again')")
        self.b.answered("document.querySelector('#status').textContent.startsWith('Answered')")
        self.assertEqual(self.b.text("#notice"), "")

    def test_a_class_that_does_not_exist_comes_with_better_ones(self):
        self.allowed = ("status of 404",)
        self.b.open(self.url("#sample=samples/no-right-turn-1.png&why=no+rihgt+turn"))
        self.b.wait("document.querySelector('#notice button')?.textContent === 'no right turn'")
        self.click("#notice button")
        self.b.answered("document.querySelector('#notice').textContent === '' && document.querySelector('#panel .head').textContent.includes('no right turn')")

    def test_a_network_without_that_sample_is_asked_about_the_picture_at_hand(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bare", "signs-resnet"):
                shutil.copytree(os.path.join(harness.MODELS, "signs-resnet"), os.path.join(folder, name))
            path = os.path.join(folder, "bare", "manifest.json")
            with open(path) as f:
                manifest = json.load(f)
            del manifest["samples"]
            with open(path, "w") as f:
                json.dump(dict(manifest, name="bare"), f)
            with daemon.Daemon(folder) as d:
                with self.another(d):
                    self.b.open(self.url("#model=signs-resnet"))
                    self.b.answered("document.title.includes('signs-resnet')")
                    shown, address = self.drawn(), self.b.js("return location.hash")
                    self.choose("model", "bare")
                    self.b.answered("document.title.includes('bare') && location.hash.includes('model=bare')")
                    self.assertEqual((self.b.text("#notice"), self.drawn()), ("", shown), "the same network, and so the same map")
                    self.assertNotIn("sample=", self.b.js("return location.hash"))
                    self.choose("model", "signs-resnet")
                    self.b.answered("document.title.includes('signs-resnet') && location.hash.includes('sample=')")
                    self.assertEqual(self.b.js("return location.hash"), address)
                    self.b.js("location.hash = '#model=bare&sample=samples/no-right-turn-1.png'")  # such a link was made once
                    self.b.answered("document.title.includes('bare') && !location.hash.includes('sample=')")
                    self.assertEqual(self.b.text("#notice"), "")

    def test_a_server_that_wants_a_key_gets_it_and_copies_do_not_tell_it(self):
        self.allowed = ("status of 401",)
        token = "alice-0123456789abcdef"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "keys")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("alice explain,predict %s\n" % token)
            with daemon.Daemon(harness.MODELS, "--keys", path) as d:
                with self.another(d):
                    self.b.open(self.url())
                    self.b.wait("document.querySelector('#key')")
                    self.b.one("#key").send_keys(token + "\n")
                    self.b.answered("document.querySelector('#notice').textContent === '' && [...document.querySelectorAll('#samples img')].slice(0, 4).every((i) => i.naturalWidth > 0)")
                    for button in ("#copy-curl", "#copy-python"):
                        self.click(button)
                        self.b.wait("document.querySelector('#dialog').open")
                        text = self.b.one("#dialog-text").get_attribute("value")
                        self.b.keys("\ue00c")
                        self.assertNotIn(token, text)
                        out = subprocess.run(["bash"] if "curl" in button else [sys.executable, "-"], input=text.encode(), capture_output=True, check=True, env=dict(os.environ, WHYNOT_KEY=token))
                        self.assertIn(b"no right turn", out.stdout, out)
                    self.b.js("sessionStorage.clear()")


if __name__ == "__main__":
    unittest.main()
