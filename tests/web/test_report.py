"""The report of whynot evaluate in a real browser: plots and pictures show, and nothing outside is asked for."""
import os
import shutil
import subprocess
import tempfile
import unittest

import browser

browser.require()

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "../../models")


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        data = os.path.join(cls.folder.name, "data")
        shutil.copytree(os.path.join(MODELS, "signs-resnet/samples"), data)
        cls.report = os.path.join(cls.folder.name, "report.html")
        subprocess.run([os.environ["WHYNOT"], "evaluate", data, "--model", "signs-resnet", "--models", MODELS, "--method", "gradcam,la", "--contrast",
                        "logit,weighted", "--metric", "confidence,random-logit", "--report", cls.report], check=True, stdout=subprocess.DEVNULL)
        cls.b = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.b.close()
        cls.folder.cleanup()

    def test_plots_and_pictures_show_and_nothing_outside_is_asked_for(self):
        b = self.b
        b.listen()
        b.requests, b.complaints = [], []
        b.open("file://" + self.report)
        b.wait("document.readyState === 'complete'")
        plots = b.js("return [...document.querySelectorAll('svg')].map((s) => { const r = s.getBoundingClientRect();"
                     "return [r.width, r.height, s.querySelectorAll('circle').length, s.querySelectorAll('text').length] })")
        self.assertEqual(len(plots), 3)
        for width, height, dots, words in plots:
            self.assertGreater(width, 300)
            self.assertGreater(height, 60)
            self.assertEqual(dots, 4)
            self.assertGreaterEqual(words, 4)
        outside = b.js("return [...document.querySelectorAll('svg')].flatMap((s) => { const box = s.getBoundingClientRect(); return [...s.querySelectorAll('circle')]"
                       ".filter((c) => { const r = c.getBoundingClientRect(); return r.left < box.left || r.right > box.right || r.top < box.top || r.bottom > box.bottom }) }).length")
        self.assertEqual(outside, 0)
        pictures = b.js("return [...document.images].map((i) => [i.complete, i.naturalWidth, i.getBoundingClientRect().width])")
        self.assertGreaterEqual(len(pictures), 4)
        for complete, natural, shown in pictures:
            self.assertTrue(complete and natural > 10 and shown > 10)
        b.listen()
        self.assertEqual([u for u in b.requests if not u.startswith(("data:", "about:", "file://" + self.report))], [])
        self.assertEqual(b.complaints, [])


if __name__ == "__main__":
    unittest.main()
