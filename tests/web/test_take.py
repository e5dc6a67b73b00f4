"""What one takes along from the page: links that reproduce it, commands that run, files that others can read."""
import ast
import base64
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
import zlib

from harness import SAMPLES, PageTest, daemon


def read_npy(data):
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    size = struct.unpack("<H", data[8:10])[0]
    assert (10 + size) % 64 == 0 and data[9 + size:10 + size] == b"\n"
    head = ast.literal_eval(data[10:10 + size].decode())
    assert head["descr"] == "<f4" and head["fortran_order"] is False
    return head["shape"], data[10 + size:]


class Take(PageTest):
    QUERY = "target=no+right+turn&why_not=no+left+turn&maps=contrast,target,rival&outputs=raw"

    def text(self, button):
        self.click(button)
        self.b.wait("document.querySelector('#dialog').open")
        text = self.b.one("#dialog-text").get_attribute("value")
        self.b.keys("\ue00c")
        self.b.wait("!document.querySelector('#dialog').open")
        return text

    def whole(self, folder):
        """The name of what was downloaded: until then the browser keeps an empty file in its place."""
        return next((n for n in os.listdir(folder) if not n.endswith(".crdownload") and not n.startswith(".") and os.path.getsize(os.path.join(folder, n))), None)

    def download(self, button):
        folder = self.b.downloads.name
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
        self.click(button)
        name = self.b.wait(lambda: self.whole(folder), "the download")
        with open(os.path.join(folder, name), "rb") as f:
            return name, f.read()

    def own(self, folder, name="keep left's.png"):
        path = os.path.join(folder, name)
        with open(os.path.join(SAMPLES, "keep-left-1.png"), "rb") as f, open(path, "wb") as out:
            out.write(f.read())
        self.b.one("#files").send_keys(path)
        self.b.answered("document.querySelector('#picture-about').textContent === %s" % json.dumps(name))

    def settled(self):
        """Both drawings, once they stay as they are: the page draws again when its layout has come to rest."""
        last = [None]

        def same():
            seen, last[0] = last[0], [self.drawn(i) for i in range(2)]
            time.sleep(0.2)
            return last[0] if last[0] == seen else None
        return self.b.wait(same, "a drawing that stays")

    def test_a_link_reproduces_the_view_of_a_sample(self):
        self.open()
        for control, value in (("colors", "inferno"), ("polarity", "for"), ("scale", "own"), ("method", "la"), ("contrast", "weighted")):
            self.choose(control, value)
        self.click("#grey")
        self.click("#samples li:nth-child(5) button")
        self.b.answered("document.querySelector('#picture-about').textContent === 'speed-limit-30-1.png'")
        link = self.text("#copy-link")
        seen = self.settled()
        self.b.open(link)
        self.b.answered()
        self.assertTrue(self.b.wait(lambda: self.settled() == seen, "the same view"))
        self.assertEqual(self.text("#copy-link"), link)
        self.b.open(self.url())
        self.b.answered()
        self.b.js("location.hash = arguments[0]", link.split("#")[1])
        self.b.answered("document.querySelector('#picture-about').textContent === 'speed-limit-30-1.png'")
        self.assertEqual(self.drawn(0), seen[0], "pasted over an open page")

    def test_a_link_says_that_a_picture_of_ones_own_does_not_travel(self):
        with tempfile.TemporaryDirectory() as folder:
            self.open()
            self.own(folder)
            self.choose("colors", "viridis")
            self.click("#copy-link")
            self.assertIn("does not travel", self.b.text("#dialog-note"))
            link, seen = self.b.one("#dialog-text").get_attribute("value"), self.drawn()
            self.b.open(link)
            self.b.wait("document.querySelector('#notice').textContent.includes(\"keep left's.png\")")
            self.assertIn("does not travel", self.b.text("#notice"))
            self.own(folder)
            self.assertEqual(self.drawn(), seen)
            self.assertEqual(self.b.text("#notice"), "")

    def test_addresses_that_make_no_sense_do_no_harm(self):
        self.allowed = ("status of 4",)
        for fragment in ("#view=<x>&polarity=7&opacity=banana&scale=", "#sample=../../x&colors=none&method=none&contrast=none&layer=none", "#" + "x-" * 3000, "#why=&rather_than="):
            self.b.open(self.url(fragment))
            self.b.wait("document.querySelector('#notice').textContent || document.querySelector('#panel canvas')")
        self.b.open(self.url("#model=none"))
        self.b.answered("document.querySelector('#notice').textContent.includes('no network “none”')")

    def run_curl(self, command, folder):
        out = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, check=True)
        return json.loads(out.stdout)

    def test_the_curl_command_asks_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            self.open()
            got = self.run_curl(self.text("#copy-curl"), folder)
            self.assertEqual(got["maps"][0]["raw"], self.api(self.QUERY).json["maps"][0]["raw"])
            self.own(folder)
            self.choose("method", "la")
            self.b.answered()
            got = self.run_curl(self.text("#copy-curl"), folder)
            self.assertEqual((got["target"]["label"], got["maps"][0]["method"]), ("keep left", "la"))

    def test_the_python_program_asks_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            self.open()
            for own in (False, True):
                if own:
                    self.own(folder)
                program = self.text("#copy-python") + "\nprint(json.dumps(answer))\n"
                out = subprocess.run([sys.executable, "-"], input=program.encode(), cwd=folder, capture_output=True, check=True).stdout.decode().splitlines()
                answer = json.loads(out[-1])
                self.assertEqual(len(out), 1 + len(answer["maps"]))
                self.assertEqual(answer["target"]["label"], "keep left" if own else "no right turn")
            self.assertEqual(answer["maps"][0]["raw"], self.api("why_not=auto:1&outputs=raw", "keep-left-1.png").json["maps"][0]["raw"])

    def test_npy_holds_the_numbers_of_the_first_map(self):
        self.open()
        name, data = self.download("#save-npy")
        self.assertEqual(name, "no-right-turn-1-contrast-no-right-turn-not-no-left-turn-gradcam.npy")
        raw = self.api(self.QUERY).json["maps"][0]["raw"]
        shape, values = read_npy(data)
        self.assertEqual((list(shape), values), (raw["shape"], base64.b64decode(raw["data"])))

    def test_png_holds_what_is_seen(self):
        self.open()
        name, data = self.download("#save-png")
        self.assertTrue(name.endswith(".png"))
        width, height, _, rows = daemon.read_png(data)
        self.assertEqual((width, height), (3 * (512 + 16) + 16, 512 + 26 + 2 * 16))
        self.assertGreater(len(set(rows)), 100)

    def test_the_bundle_holds_pictures_maps_and_a_manifest(self):
        self.open()
        name, data = self.download("#save-bundle")
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual(z.namelist()[0], "manifest.json")
            m = json.loads(z.read("manifest.json"))
            answer = self.api(self.QUERY).json
            self.assertEqual(m["model"], answer["model"])
            self.assertEqual(m["words"], "Why no right turn, rather than no left turn?")
            self.assertEqual(m["made_by"], "whynot " + self.d.get("/version").json["version"])
            self.assertEqual(dict(m["question"])["method"], "gradcam")
            self.assertEqual({k: m["provenance"][k] for k in ("device", "preprocess_hash")}, {k: answer["provenance"][k] for k in ("device", "preprocess_hash")})
            with open(os.path.join(SAMPLES, "no-right-turn-1.png"), "rb") as f:
                picture = f.read()
            self.assertEqual(z.read(m["pictures"][0]["file"]), picture)
            self.assertEqual(m["pictures"][0]["sha256"], hashlib.sha256(picture).hexdigest())
            self.assertEqual([x["kind"] for x in m["maps"]], ["contrast", "target", "rival"])
            by_kind = {x["kind"]: x for x in answer["maps"]}
            for x in m["maps"]:
                self.assertEqual(read_npy(z.read(x["npy"]))[1], base64.b64decode(by_kind[x["kind"]]["raw"]["data"]))
                self.assertEqual(daemon.read_png(z.read(x["png"]))[:2], (512, 512))
                self.assertNotIn("raw", x)

    def test_bundles_of_every_view_have_a_file_for_each_map(self):
        self.open("#view=rivals")
        name, data = self.download("#save-bundle")
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual(len(json.loads(z.read("manifest.json"))["maps"]), 25)  # and what they have in common
            self.assertEqual(len(z.namelist()), len(set(z.namelist())))
            self.assertEqual(len(z.namelist()), 1 + 2 * 25 + 1)

    def test_crc32_is_the_one_of_zip(self):
        self.open()
        got = self.b.js("return import('/page/files.js').then((f) => f.crc32(new TextEncoder().encode('why not?')))")
        self.assertEqual(got, zlib.crc32(b"why not?"))


if __name__ == "__main__":
    unittest.main()
