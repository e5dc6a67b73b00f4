"""The page in a real browser: the first look at it, and every way to ask."""
import base64
import os
import struct
import tempfile
import unittest

from harness import P, Q, PageTest, daemon


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

    def test_words_go_by_what_the_map_speaks_for(self):
        which = "#sample=samples/no-right-turn-1.png&why=no+right+turn&contrast="
        whole = lambda share: "%.*f %%" % (0 if 0.0995 <= share <= 0.9 else 1, 100 * share)
        self.open(which + "cross-entropy&rather_than=no+left+turn")
        share = self.api("contrast=cross-entropy&target=no+right+turn&why_not=no+left+turn").json["maps"][0]["share_positive"]
        self.assertIn("%s of the evidence speaks against no left turn, %s for no left turn." % (whole(share), whole(1 - share)), self.b.text(".words"))
        self.assertIn("Hiding what speaks against no left turn (", self.b.text(".words"))
        self.assertEqual(self.b.text(".ends .plus"), "against no left turn")
        for value, plus, minus in ((-100, "for no right turn", "against no right turn"), (100, "against no right turn", "for no right turn")):
            self.open(which + "regression&x-value=%d" % value)
            score = self.api("contrast=regression&value=%d&target=no+right+turn" % value).json["target"]["logit"]
            self.assertIn("Why does no right turn score %.4g, rather than %d?" % (score, value), self.b.text("main"))
            self.assertEqual((self.b.text(".ends .plus"), self.b.text(".ends .minus")), (plus, minus))
            self.assertIn("What speaks most %s lies" % plus, self.b.text(".words"))
            self.assertIn("Hiding what speaks for no right turn (", self.b.text(".words"))

    def test_words_of_a_map_against_the_class_name_what_is_hidden(self):
        """The same evidence, told by a map and by its negative."""
        told = self.words_of("for the class", 0.3, 0.6, 0.75, 0.25), self.words_of("against the class", 0.6, 0.3, 0.25, 0.75)
        self.assertEqual(told[0][1:3], ["Hiding what speaks for P (30 % of the picture) turns the decision (P against Q: 90 %, then 25 %).", "Keeping only that gives 75 %."])
        self.assertEqual(told[1][1:3], told[0][1:3])
        lost = self.words_of("for the class", 0.3, 0.6, 0.2, 0.65, 0.1), self.words_of("against the class", 0.6, 0.3, 0.65, 0.2, 0.1)
        self.assertEqual(lost[0][1], "Hiding what speaks against P does not turn the decision: P against Q goes from 10 % to 20 %.")
        self.assertEqual(lost[1][1], lost[0][1])
        self.assertEqual((told[0][3], told[1][3]), ("60 % of the evidence speaks for it, 40 % against.", "60 % of the evidence speaks against P, 40 % for P."))

    def test_words_of_a_map_that_looks_at_no_class_speak_for_none(self):
        said = self.words_of("for no class in particular", 0.3, 0.6, 0.75, 0.25)
        self.assertEqual(said[:2], ["This map is strongest on the upper left, within 25 % of the picture, whichever class is asked about.",
                                    "Keeping only what the map marks (30 % of the picture) gives P against Q: 90 %, then 75 %; hiding it: 25 %."])
        self.assertFalse([s for s in said if "of the evidence" in s])

    def test_a_class_that_digits_name_is_sent_with_its_number(self):
        self.open()
        said = self.b.js("return import('/page/state.js').then((m) => arguments[0].map(m.classValue))", [{"index": 2, "label": "3"}, {"index": 3, "label": "3"}, {"index": 2, "label": "stop"}, {"index": None, "label": "stop"}])
        self.assertEqual(said, ["3 (2)", "3", "2", "stop"])

    def words_of(self, means, positive, negative, keep_positive, keep_negative, before=0.9):
        self.open()
        m = {"kind": "contrast", "class": {"label": "P"}, "rival": None, "positive_means": means, "bbox": [0, 0, 5, 5], "size": [10, 10], "mass_positive": 6, "mass_negative": 4}
        masking = {"rival": {"label": "Q"}, "relative_probability": before, "keep_positive": keep_positive, "keep_negative": keep_negative, "area_positive": positive, "area_negative": negative, "turns": before > 0.5}
        answer = {"maps": [m], "evidence": {"masking": [masking]}, "predictions": [], "target": {"index": 0, "label": "P", "logit": 1}, "why_not": []}
        return self.b.js("return import('/page/words.js').then((w) => w.evidence(arguments[0]))", answer)

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
                (fine,) = d.explain(daemon.picture(5, 30, 20), "?method=gradient&outputs=raw,heatmap", "cropped").json["maps"]  # a pixel a cell
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
        limit = self.b.driver.execute_async_script("""
            const [map, done] = arguments;
            import('/page/draw.js').then((d) => done(d.strongest(d.rawMap(map.raw).values, true)));
            """, fine)
        self.assertAlmostEqual(limit, fine["range"][1], delta=1e-6 * limit)

    def test_labels_and_file_names_are_text_and_never_markup(self):
        evil = ["<img src=x onerror=alert(1)>", "crane", "crane", "7", "a & b \"c\" 'd'", "<script>alert(2)</script>"]
        with tempfile.TemporaryDirectory() as folder:
            daemon.write_model(folder, "evil", daemon.tiny_onnx.classifier(seed=1, classes=6), evil, 16, description="<b>bold</b>")
            name = os.path.join(folder, "<b>x'$(id).png")
            with open(name, "wb") as f:
                f.write(daemon.picture(2))
            with daemon.Daemon(folder) as d:
                with self.another(d):
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

    def test_what_hides_pixels_is_only_asked_for_where_some_are_hidden(self):
        """Elsewhere the server refuses it."""
        self.open("#x-fill=black")
        self.b.wait("performance.getEntriesByType('resource').some((e) => e.name.includes('fill=black'))")
        for url in self.b.js("return performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/explain'))"):
            self.assertEqual("fill=black" in url, "evidence=mask" in url, url)

    def test_fields_that_the_page_does_not_know_are_drawn_as_they_are_described(self):
        self.open()
        rows = self.b.js("""
            return import('/page/question.js').then((m) => m.moreFields({steps: {type: 'integer', default: 32}, why_not: {oneOf: []}, target: {type: 'string'}, image: {type: 'object'}}).map(([n]) => n))""")
        self.assertEqual(rows, ["steps"])


if __name__ == "__main__":
    unittest.main()
