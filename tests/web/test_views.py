"""The page in a real browser: how maps are looked at, the views of many of them, and the ways a picture comes to it."""
import base64
import os
import re
import struct
import tempfile
import time
import unittest
import zlib

import harness
from harness import P, Q, SAMPLES, PageTest, daemon


class Looks(PageTest):
    def test_colours_opacity_polarity_and_scale_change_without_a_new_question(self):
        self.open()
        asked, seen = self.asked(), {self.drawn()}
        for control, value in (("colors", "viridis"), ("polarity", "for"), ("polarity", "against"), ("scale", "own"), ("colors", "gray"), ("opacity", "0.3")):
            if control == "opacity":
                self.b.js("const e = document.getElementById('opacity'); e.value = 0.3; e.dispatchEvent(new Event('input', {bubbles: true}))")
            else:
                self.choose(control, value)
            self.b.wait("location.hash.includes('%s=%s')" % (control, value))
            now = self.drawn(2)
            self.assertNotIn(now, seen, control + " " + value)
            seen.add(now)
        for box in ("fade", "grey"):
            self.click("#" + box)
            self.assertNotIn(self.drawn(2), seen)
            seen.add(self.drawn(2))
        self.assertEqual(self.asked(), asked)

    def test_all_colour_maps_of_the_table_are_offered(self):
        self.open()
        rows = self.d.get("/v1/colormaps").json["colormaps"]
        first = [r["name"] for r in rows if r["diverging"]][0]
        self.assertEqual(self.b.js("return [...document.querySelectorAll('#colors option')].map((o) => o.value)"), [""] + [r["name"] for r in rows if r["name"] != first])

    def test_only_what_speaks_for_has_no_blue(self):
        self.open("#sample=samples/no-right-turn-1.png&why=no+left+turn&rather_than=no+right+turn")
        blue = """const c = document.querySelector('#panel .tile canvas'), p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                  let n = 0; for (let i = 0; i < p.length; i += 4) n += p[i + 2] > p[i] + 8; return n"""
        self.assertGreater(self.b.js(blue), 100)
        self.choose("polarity", "for")
        self.assertEqual(self.b.js(blue), 0)

    def test_the_pointer_and_the_arrow_keys_read_the_raw_values(self):
        from selenium.webdriver.common.action_chains import ActionChains
        self.open()
        raw = self.api("target=no+right+turn&why_not=no+left+turn&outputs=raw").json["maps"][0]["raw"]
        h, w = raw["shape"]
        values = struct.unpack("<%df" % (h * w), base64.b64decode(raw["data"]))
        canvas = self.b.one("#panel .tile canvas")
        size = canvas.size
        ActionChains(self.b.driver).move_to_element_with_offset(canvas, int(size["width"] * (1.5 / w - 0.5)), int(size["height"] * (0.5 / h - 0.5))).perform()

        def value():
            return self.b.text("#panel .tile .value").replace("−", "-")
        self.assertRegex(value(), r" at 1, 0$")
        self.assertAlmostEqual(float(value().split()[0]), values[1], delta=0.006 * abs(values[1]))
        self.assertEqual(len(self.b.js("return [...document.querySelectorAll('#panel .cross')].filter((c) => !c.hidden)")), 3)
        self.b.js("document.querySelector('#panel .tile canvas').focus()")
        self.b.keys("\ue014", "\ue014", "\ue015")  # the middle, right, down
        x, y = [int(v) for v in re.search(r"at (\d+), (\d+)$", value()).groups()]
        self.assertAlmostEqual(float(value().split()[0]), values[y * w + x], delta=0.006 * abs(values[y * w + x]))
        self.assertIn("column %d, row %d" % (x + 1, y + 1), self.b.text("#status"))

    def test_dark_and_light_follow_the_system_unless_chosen(self):
        ground = "return getComputedStyle(document.body).backgroundColor"
        self.open()
        light = self.b.js(ground)
        self.b.view(1280, 900, dark=True)
        dark = self.b.js(ground)
        self.assertNotEqual(light, dark)
        self.choose("theme", "light")
        self.assertEqual(self.b.js(ground), light)
        self.open()
        self.assertEqual(self.b.js(ground), light, "the choice is kept")
        self.choose("theme", "")
        self.assertEqual(self.b.js(ground), dark)


class Views(PageTest):
    def test_all_rivals_in_an_order_that_can_be_chosen(self):
        self.open("#view=rivals")
        answer = self.api("target=no+right+turn&why_not=auto:23").json
        strip = "#panel .strip .tile"
        near = self.tiles(strip)
        self.assertEqual(near, [c["label"] for c in sorted(answer["why_not"], key=lambda c: -c["logit"])])
        self.choose("sort", "name")
        self.assertEqual(self.tiles(strip), sorted(near))
        self.choose("sort", "mass")
        mass = {m["rival"]["label"]: m["mass_positive"] for m in answer["maps"]}
        self.assertEqual(self.tiles(strip), sorted(near, key=lambda label: -mass[label]))
        self.assertEqual(self.tiles("#panel .over .tile"), ["On the whole: why no right turn rather than all others?", "Where it depends on the rival"])
        chosen = self.tiles(strip)[3]
        self.click(strip + ":nth-child(4) .head")
        self.b.answered("document.querySelector('#panel .head').textContent.endsWith('rather than %s?')" % chosen)

    def test_methods_beside_each_other(self):
        self.allowed = ("status of 5", "status of 4")
        self.open("#view=methods", "!document.querySelector('.tile.waiting')")
        self.assertEqual(self.tiles(), [m["name"] for m in self.d.get("/v1/methods").json["methods"]])
        self.click("#panel .tile:nth-child(2) .head")
        self.b.answered("document.querySelector('#method').value === %r && location.hash.includes('method=')" % self.d.get("/v1/methods").json["methods"][1]["name"])

    def test_a_method_that_cannot_answer_says_so_in_its_place(self):
        self.allowed = ("status of 4", "status of 5")
        self.b.open(self.url())
        self.b.answered()
        self.b.js("""const real = window.fetch; window.fetch = (u, o) => u.includes('/explain') && u.includes('method=la&') ?
                     Promise.resolve(new Response(JSON.stringify({detail: 'the operator Foo has no rule'}), {status: 501})) : real(u, o)""")
        self.click("#tab-methods")
        self.b.answered("!document.querySelector('.tile.waiting')")
        self.assertEqual(self.b.text("#panel .tile:nth-child(2) .failure"), "the operator Foo has no rule")
        self.assertGreater(len(self.b.all("#panel .tile canvas")), 5)

    def test_fifty_pictures_in_a_grid(self):
        with tempfile.TemporaryDirectory() as folder:
            names = sorted(os.listdir(SAMPLES))
            paths = []
            for i in range(50):
                paths.append(os.path.join(folder, "%02d-%s" % (i, names[i % len(names)])))
                os.symlink(os.path.abspath(os.path.join(SAMPLES, names[i % len(names)])), paths[-1])
            self.open()
            begin = time.monotonic()
            self.b.one("#files").send_keys("\n".join(paths))
            self.b.answered("document.querySelectorAll('#panel .tile').length === 50 && !document.querySelector('.tile.waiting')")
            print("50 pictures after %.1f s" % (time.monotonic() - begin))
        self.assertEqual(self.tiles(), [os.path.basename(p) for p in paths])
        self.assertEqual(len(self.b.all("#own-list li")), 50)
        self.assertEqual(self.b.js("return document.querySelectorAll('#panel .failure').length"), 0)
        self.assertFalse(self.b.js("return document.documentElement.scrollWidth > innerWidth"))
        self.click("#panel .tile:nth-child(7) .head")
        self.b.answered("document.querySelectorAll('#panel .tile').length === 3")
        self.assertIn(os.path.basename(paths[6]), self.b.text("#picture-about"))
        self.click("#own-list li:nth-child(7) .clear")
        self.b.wait("document.querySelectorAll('#own-list li').length === 49")


class Pictures(PageTest):
    GIVE = """
        const [how, name, done] = arguments;
        fetch('/v1/models/signs-resnet/sample?file=samples/keep-left-1.png').then((r) => r.blob()).then((blob) => {
          const data = new DataTransfer();
          data.items.add(new File([blob], name, {type: 'image/png'}));
          document.body.dispatchEvent(how === 'paste' ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true}) : new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
          done();
        })"""

    def test_dropped_and_pasted_pictures_are_asked_about(self):
        self.open()
        for how, name in (("drop", "dropped.png"), ("paste", "pasted.png")):
            self.b.driver.execute_async_script(self.GIVE, how, name)
            self.b.wait("document.querySelector('#picture-about').textContent === %r" % name)
            self.b.answered("document.querySelector('#says .label').textContent === 'keep left'")
            self.assertEqual(self.b.one("#p").get_attribute("placeholder"), "keep left (the prediction)")

    def test_a_format_that_only_the_browser_reads_travels_as_png(self):
        self.open()
        self.b.driver.execute_async_script("""
            const done = arguments[0], c = new OffscreenCanvas(40, 40), g = c.getContext('2d');
            g.fillStyle = 'red'; g.fillRect(5, 5, 20, 30);
            c.convertToBlob({type: 'image/webp'}).then((blob) => {
              const data = new DataTransfer();
              data.items.add(new File([blob], 'a.webp', {type: 'image/webp'}));
              document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
              done();
            })""")
        self.b.answered("document.querySelector('#picture-about').textContent === 'a.webp, sent as PNG'")
        self.assertEqual(self.b.text("#notice"), "")

    def test_what_is_no_picture_is_refused_by_name(self):
        self.open()
        with tempfile.TemporaryDirectory() as folder:
            whole = daemon.picture(1)
            for name, data in (("notes.txt", b"not a picture"), ("cut.png", whole[:60]), ("empty.jpg", b"")):
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(data)
                self.b.one("#files").send_keys(f.name)
                self.b.wait("document.querySelector('#notice').textContent === %r" % (name + " is not a picture that can be read."), "the refusal")
        self.assertEqual(self.tiles()[0], "Why %s rather than %s?" % (P, Q), "what was there stays")

    def test_what_only_the_server_refuses_is_said_in_its_words(self):
        self.allowed = ("status of 422",)
        self.open()
        self.b.js("""const real = window.fetch; window.fetch = (u, o) => u.includes('/explain') ?
                     Promise.resolve(new Response(JSON.stringify({detail: 'the picture cannot be decoded: row 3'}), {status: 422})) : real(u, o)""")
        self.click("#samples li:nth-child(3) button")
        self.b.wait("document.querySelector('#notice').textContent.includes('cannot be decoded: row 3')")
        self.assertEqual((self.tiles(), len(self.b.all("#says li"))), ([], 0), "nothing of the picture before is left to be mistaken for this one's answer")

    def test_a_picture_that_is_too_large_is_refused_in_words(self):
        self.allowed = ("status of 413", "status of 422")  # samples may be as large as bodies
        with tempfile.TemporaryDirectory() as folder, daemon.Daemon(harness.MODELS, "--max-body-bytes", "20000") as d:
            path = os.path.join(folder, "large.png")
            with open(path, "wb") as f:
                f.write(daemon.png_file(100, 100, zlib.compress(b"".join(b"\0" + os.urandom(300) for _ in range(100)), 0)))
            with self.another(d):
                self.b.open(self.url())
                self.b.wait("document.querySelectorAll('#contrast option').length > 3")
                self.b.one("#files").send_keys(path)
                self.b.wait("document.querySelector('#notice').textContent.includes('larger than 20000 bytes')")


if __name__ == "__main__":
    unittest.main()
