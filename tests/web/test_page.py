"""The page in a real browser: every control, the ways it can go wrong, with the keyboard alone, on a small screen."""
import base64
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

import harness
from harness import SAMPLES, PageTest, daemon

P, Q = "no right turn", "no left turn"


def audit():
    with open(os.path.join(harness.HERE, "audit.js")) as f:
        return f.read()


def indices(png):
    """Width, height and the palette's entries of an 8-bit PNG, its filters undone."""
    width, height, _, rows = daemon.read_png(png)
    out, above = [], [0] * width
    for y in range(height):
        kind, line = rows[y * (width + 1)], list(rows[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a, b, c = line[x - 1] if x else 0, above[x], above[x - 1] if x else 0
            paeth = min((a, b, c), key=lambda v: (abs(a + b - c - v)))
            line[x] = (line[x] + [0, a, b, (a + b) // 2, paeth][kind]) & 255
        out += line
        above = line
    return width, height, out


class First(PageTest):
    def test_the_first_look_is_a_whole_answer(self):
        self.open()
        self.assertEqual(self.tiles(), ["Why %s rather than %s?" % (P, Q), "Why %s?" % P, "Why %s?" % Q])
        self.assertIn("What speaks most for no right turn rather than no left turn lies", self.b.text(".words"))
        self.assertIn("The network says no right turn", self.b.text(".words"))
        m = self.api("target=no+right+turn&why_not=no+left+turn&evidence=mask").json["evidence"]["masking"][0]
        self.assertIn("Hiding what speaks for no right turn rather than no left turn (%.0f %% of the picture) %s the decision" % (100 * m["area_positive"], "turns" if m["turns"] else "does not turn"), self.b.text(".words"))
        self.assertEqual(len(self.b.all("#says li")), 5)
        self.assertEqual(len(self.b.all("#samples li")), 12)

    def test_first_paint_comes_within_100_ms(self):
        """Judged with WHYNOT_JUDGE_CLOCK=1, on a machine that does nothing else; any other run only finds what hangs."""
        best, word = 1e9, 1e9
        paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        for _ in range(12):
            self.b.open("data:text/html,<p>word")
            word = min(word, self.b.wait(paint))
            self.b.open(self.url())
            best = min(best, self.b.wait(paint))
            self.b.answered()
            if best < 100:
                break
        print("first paint after %.0f ms; one word takes %.0f ms" % (best, word))
        self.assertLess(best, 100 if os.environ.get("WHYNOT_JUDGE_CLOCK") else 5000)

    def test_three_maps_share_one_scale(self):
        self.open()
        answer = self.api("target=no+right+turn&why_not=no+left+turn&maps=contrast,target,rival&outputs=raw").json
        values = [struct.unpack("<%df" % (m["raw"]["shape"][0] * m["raw"]["shape"][1]), base64.b64decode(m["raw"]["data"])) for m in answer["maps"]]
        most = max(abs(v) for m in values for v in m)
        self.assertAlmostEqual(float(self.b.text("#legend span:last-of-type")), most, delta=0.006 * most)
        before = self.drawn(2)
        self.choose("scale", "own")
        self.assertNotEqual(self.drawn(2), before)
        self.assertIn("own scale", self.b.text("#legend"))

    def test_maps_are_enlarged_as_the_server_draws_them(self):
        """Also where the network saw a crop of a wide picture only."""
        with tempfile.TemporaryDirectory() as folder:
            daemon.write_model(folder, "cropped", daemon.tiny_onnx.classifier(seed=1), daemon.LABELS, 16)
            path = os.path.join(folder, "cropped/manifest.json")
            with open(path) as f:
                text = f.read().replace('"size": [16, 16]', '"resize": "short-side", "short_side": 20, "crop": [16, 16]')
            with open(path, "w") as f:
                f.write(text)
            picture = daemon.picture(5, 90, 60)
            with daemon.Daemon(folder) as d:
                answer = d.explain(picture, "?outputs=raw,heatmap", "cropped").json
        m = answer["maps"][0]
        width, height, expected = indices(base64.b64decode(m["data"]))
        self.open()
        got = self.b.driver.execute_async_script("""
            const [map, image, limit, w, h, done] = arguments;
            import('/page/draw.js').then((d) => done([...d.enlarge(d.rawMap(map.raw), d.seen(image), w, h)].map((v) => v === v ? 128 + Math.round(127 * v / limit) : 128)));
            """, m, answer["image"], m["range"][1], width, height)
        self.assertEqual(len(got), len(expected))
        self.assertLess(sorted(abs(a - b) for a, b in zip(got, expected))[-len(got) // 200], 2)  # an edge pixel may be seen or not
        self.assertGreater(len(set(expected)), 20)

    def test_labels_and_file_names_are_text_and_never_markup(self):
        evil = ["<img src=x onerror=alert(1)>", "crane", "crane", "7", "a & b \"c\" 'd'", "<script>alert(2)</script>"]
        with tempfile.TemporaryDirectory() as folder:
            daemon.write_model(folder, "evil", daemon.tiny_onnx.classifier(seed=1, classes=6), evil, 16, description="<b>bold</b>")
            name = os.path.join(folder, "<b>x'$(id).png")
            with open(name, "wb") as f:
                f.write(daemon.picture(2))
            with daemon.Daemon(folder) as d:
                own, type(self).d = self.d, d
                try:
                    self.b.open(self.url("#why=" + "0:%3Cimg+src=x%3E"))
                    self.b.wait("document.querySelectorAll('#contrast option').length > 3", "the tables")
                    self.b.one("#files").send_keys(name)
                    self.b.answered()
                    self.assertIn(evil[0], self.b.text("#panel"))
                    self.assertEqual(self.b.js("return document.querySelectorAll('main b b, main script, #panel img, #says img').length"), 0)
                    for label in ("crane", "7"):
                        self.b.one("#q").click()
                        self.b.one("#q").send_keys(label)
                        self.b.wait("document.querySelectorAll('#q-list li').length >= 1 && !document.querySelector('#q-list').hidden", "the list")
                    self.tearDown()
                finally:
                    type(self).d = own
                    self.b.open("about:blank")
                    self.b.listen()
                    self.b.requests, self.b.complaints = [], []


class Question(PageTest):
    def choose_class(self, field, words):
        self.b.one("#" + field).click()
        self.b.one("#" + field).send_keys(words)
        self.b.wait("!document.querySelector('#%s-list').hidden && document.querySelector('#%s-list li')?.textContent.includes(%r)" % (field, field, words), "the list")

    def test_a_class_is_found_by_typing_and_asked_about(self):
        self.open()
        self.choose_class("p", "keep")
        self.assertEqual([e.text.split("\n")[0] for e in self.b.all("#p-list li")], ["keep left", "keep right"])
        self.b.keys("\ue015", "\ue007")  # arrow down, enter
        self.b.answered("document.querySelector('#panel .head').textContent.includes('keep right')")
        self.assertEqual(self.b.one("#p").get_attribute("value"), "keep right")
        self.assertIn("why=", self.b.driver.current_url)
        self.choose_class("q", "stop")
        self.b.keys("\ue00c")  # escape: nothing is chosen
        self.assertEqual(self.b.one("#q").get_attribute("value"), Q)

    def test_without_p_it_is_the_prediction_and_without_q_the_closest_rival(self):
        self.open()
        for side in "pq":
            self.click("#%s-slot .clear" % side)
            self.b.answered("document.querySelector('#%s').value === ''" % side)
        answer = self.api("why_not=auto:1").json
        self.assertEqual(self.b.one("#p").get_attribute("placeholder"), answer["target"]["label"] + " (the prediction)")
        self.assertEqual(self.b.one("#q").get_attribute("placeholder"), answer["why_not"][0]["label"] + " (closest)")
        self.assertNotIn("why=", self.b.driver.current_url)

    def test_swap_asks_the_reverse(self):
        self.open()
        self.click("#swap")
        self.b.answered("document.querySelector('#panel .head').textContent === 'Why %s rather than %s?'" % (Q, P))

    def test_predictions_lead_to_questions(self):
        self.open()
        label = self.b.text("#says li:nth-child(2) .label")
        self.click("#says li:nth-child(2) button:last-of-type")
        self.b.answered("document.querySelector('#panel .head').textContent.endsWith('rather than %s?')" % label)

    def test_every_contrast_of_the_table_can_be_asked(self):
        self.allowed = ("status of 4", "status of 5")
        self.open()
        rows = self.d.get("/v1/contrasts").json["contrasts"]
        self.assertEqual(self.b.js("return [...document.querySelectorAll('#contrast option')].map((o) => o.value)"), [r["name"] for r in rows])
        for row in rows:
            self.choose("contrast", row["name"])
            self.b.wait("!document.querySelector('#panel').hasAttribute('aria-busy') && location.hash.includes('contrast=%s')" % row["name"])
            self.assertIn(row["summary"], self.b.text("#contrast-about"))
            self.assertEqual(self.b.one("#q").is_enabled(), row["why_not"] != "none", row["name"])
            refused = self.api("target=no+right+turn&why_not=no+left+turn&contrast=%s" % row["name"] if row["why_not"] != "none" else "contrast=" + row["name"])
            self.assertEqual(self.b.text("#notice").replace("Try again", ""), "" if refused.status == 200 else refused.json["detail"], row["name"])

    def test_several_rivals_where_the_contrast_takes_a_set(self):
        self.open("#contrast=subset&sample=samples/no-right-turn-1.png")
        for words, n in (("yield", 1), ("keep left", 2)):
            self.choose_class("q", words)
            self.b.keys("\ue007")
            self.b.answered("document.querySelectorAll('#q-slot .chip').length === %d" % n)
        self.assertEqual(self.b.driver.current_url.count("rather_than="), 2)
        self.click("#q-slot .chip button")
        self.b.answered("document.querySelectorAll('#q-slot .chip').length === 1")

    def test_every_method_of_the_table_can_be_asked_and_layers_chosen(self):
        self.allowed = ("status of 4", "status of 5")
        self.open()
        rows = self.d.get("/v1/methods").json["methods"]
        self.assertEqual(self.b.js("return [...document.querySelectorAll('#method option')].map((o) => o.value)"), [r["name"] for r in rows])
        for row in rows[:3] + rows[-2:]:
            self.choose("method", row["name"])
            self.b.wait("!document.querySelector('#panel').hasAttribute('aria-busy')")
            self.assertEqual(self.b.one("#layer").is_enabled(), row["explains"] != "the input", row["name"])
        self.choose("method", "gradcam")
        self.b.answered()
        layers = self.d.get("/v1/models/signs-resnet/layers").json["layers"]
        layer = [x for x in layers if x["shape"][1] == 12][0]["name"]
        before = self.drawn()
        self.choose("layer", layer)
        self.b.answered()
        self.assertNotEqual(self.drawn(), before)
        self.assertIn("layer=", self.b.driver.current_url)

    def test_a_map_over_pixels_has_the_scale_that_the_server_gives_it(self):
        self.open("#method=gradient&scale=shared&contrast=logit&sample=samples/no-right-turn-1.png&why=no+right+turn")
        m = self.api("target=no+right+turn&contrast=logit&method=gradient&outputs=raw").json["maps"][0]["raw"]
        sizes = sorted(abs(v) for v in struct.unpack("<%df" % (m["shape"][0] * m["shape"][1]), base64.b64decode(m["data"])))
        limit = sizes[-(-len(sizes) * 99 // 100) - 1]
        self.assertAlmostEqual(float(self.b.text("#legend span:last-of-type")), limit, delta=0.006 * limit)
        self.assertIn("over pixels", self.b.text("#legend"))

    def test_the_other_network_answers_the_same_question(self):
        self.open()
        before = self.drawn()
        self.choose("model", "signs-vgg")
        self.b.answered("document.title.includes('signs-vgg')")
        self.b.wait("document.querySelectorAll('#panel .tile canvas')[0].toDataURL() !== %r" % before)
        self.assertEqual(self.tiles()[0], "Why %s rather than %s?" % (P, Q))

    def test_fields_that_the_page_does_not_know_are_drawn_as_they_are_described(self):
        self.open()
        rows = self.b.js("""
            return import('/page/question.js').then((m) => m.moreFields({steps: {type: 'integer', default: 32}, why_not: {oneOf: []}, target: {type: 'string'}, image: {type: 'object'}}).map(([n]) => n))""")
        self.assertEqual(rows, ["steps"])


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
            own, type(self).d = self.d, d
            try:
                self.b.open(self.url())
                self.b.wait("document.querySelectorAll('#contrast option').length > 3")
                self.b.one("#files").send_keys(path)
                self.b.wait("document.querySelector('#notice').textContent.includes('larger than 20000 bytes')")
                self.tearDown()
            finally:
                type(self).d = own
                self.b.open("about:blank")
                self.b.listen()
                self.b.requests, self.b.complaints = [], []


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

    def test_a_server_that_wants_a_key_gets_it_and_copies_do_not_tell_it(self):
        self.allowed = ("status of 401",)
        token = "alice-0123456789abcdef"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "keys")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("alice explain,predict %s\n" % token)
            with daemon.Daemon(harness.MODELS, "--keys", path) as d:
                own, type(self).d = self.d, d
                try:
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
                    self.tearDown()
                finally:
                    self.b.js("sessionStorage.clear()")
                    type(self).d = own
                    self.b.open("about:blank")
                    self.b.listen()
                    self.b.requests, self.b.complaints = [], []


class Everybody(PageTest):
    def test_names_roles_contrast_and_sizes_in_every_view(self):
        self.allowed = ("status of 4", "status of 5")
        for width, dark, view in ((1280, False, "maps"), (1280, True, "maps"), (360, False, "maps"), (360, True, "rivals"), (1280, True, "methods"), (768, False, "rivals")):
            self.b.view(width, 800, dark)
            self.open("#view=" + view, "!document.querySelector('.tile.waiting')")
            found = self.b.js(audit())
            self.assertEqual(found["complaints"], [], "%d px, %s, %s" % (width, "dark" if dark else "light", view))
            self.assertGreater(found["least"], 4.5)

    def test_messages_lists_and_dialogs_hold_the_same(self):
        self.allowed = ("status of 404",)
        for width in (1280, 360):
            self.b.view(width, 800)
            self.b.open(self.url("#sample=samples/no-right-turn-1.png&why=no+rihgt+turn"))
            self.b.wait("document.querySelector('#notice button')")
            self.assertEqual(self.b.js(audit())["complaints"], [])
            self.click("#p")
            self.b.wait("!document.querySelector('#p-list').hidden")
            self.assertEqual(self.b.js(audit())["complaints"], [])
            self.b.keys("\ue00c")
            self.click("#copy-link")
            self.b.wait("document.querySelector('#dialog').open")
            self.assertEqual(self.b.js(audit())["complaints"], [])

    def test_the_browser_names_everything_that_can_be_operated(self):
        self.open()
        nodes = self.b.cdp("Accessibility.getFullAXTree")["nodes"]
        operable = {"button", "combobox", "textbox", "slider", "checkbox", "link", "tab", "application", "img"}
        seen = set()
        for n in nodes:
            role = n.get("role", {}).get("value")
            if n.get("ignored") or role not in operable:
                continue
            seen.add(role)
            self.assertTrue(n.get("name", {}).get("value", "").strip(), n)
        self.assertLessEqual({"button", "combobox", "slider", "checkbox", "tab", "application", "link"}, seen)

    def test_a_whole_question_with_the_keyboard_alone(self):
        self.open()
        tab, enter, down = "\ue004", "\ue007", "\ue015"
        focus = "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
        order, rings = [], []
        self.b.js("document.activeElement.blur()")
        for _ in range(70):
            self.b.keys(tab)
            order.append(self.b.js("return " + focus))
            rings.append(self.b.js("const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || !!document.activeElement.closest('.picker:focus-within')"))
            if order[-1] == "BODY":
                break
        for name in ("skip", "model", "p", "swap", "q", "choose", "tab-maps", "opacity", "colors", "polarity", "scale", "fade", "grey", "contrast", "method", "layer",
                     "copy-link", "copy-curl", "copy-python", "save-png", "save-npy", "save-bundle"):
            self.assertIn(name, order)
        self.assertLess(order.index("p"), order.index("q"))
        self.assertLess(order.index("q"), order.index("tab-maps"))
        self.assertTrue(all(r for r, o in zip(rings, order) if o != "BODY"), "a focus that cannot be seen: " + str([o for r, o in zip(rings, order) if not r]))
        self.b.js("document.getElementById('model').focus()")
        while self.b.js("return " + focus) != "p":
            self.b.keys(tab)
        self.b.keys("speed limit 3")
        self.b.wait("!document.querySelector('#p-list').hidden && document.querySelectorAll('#p-list li').length === 1")
        self.b.keys(enter)
        self.b.answered("document.querySelector('#panel .head').textContent.startsWith('Why speed limit 30')")
        self.assertEqual(self.b.js("return " + focus), "p", "the focus stays")
        while self.b.js("return " + focus) != "tab-maps":
            self.b.keys(tab)
        self.b.keys("\ue014")
        self.b.answered("document.querySelector('#tab-rivals').getAttribute('aria-selected') === 'true' && document.querySelectorAll('#panel .strip .tile').length === 23")
        self.b.js("document.querySelector('#panel .strip .tile:nth-child(2) button.head').focus()")
        self.b.keys(enter)
        self.b.answered("document.querySelectorAll('#panel .tile').length === 3")

    def test_what_happens_is_told_to_who_cannot_see_it(self):
        self.open()
        self.assertEqual(self.b.one("#status").get_attribute("role"), "status")
        self.assertEqual(self.b.one("#notice").get_attribute("role"), "alert")
        label = self.b.one("#panel canvas").get_attribute("aria-label")
        self.assertRegex(label, r"^Why no right turn rather than no left turn\? Values from .* to .*; the strongest lies .*\. Arrow keys read values\.$")

    def test_360_pixels_are_enough_for_every_control(self):
        self.b.view(360, 740)
        self.open()
        self.assertEqual(self.b.js("return document.documentElement.scrollWidth"), 360)
        for name in ("p", "q", "swap", "choose", "opacity", "colors", "contrast", "method", "layer", "copy-link", "save-bundle"):
            self.click("#" + name) if name in ("swap",) else self.b.js("document.getElementById(arguments[0]).scrollIntoView()", name)
            box = self.b.one("#" + name).rect
            self.assertTrue(box["x"] >= 0 and box["x"] + box["width"] <= 360, name)
        self.b.answered("document.querySelector('#panel .head').textContent === 'Why %s rather than %s?'" % (Q, P))


if __name__ == "__main__":
    unittest.main()
