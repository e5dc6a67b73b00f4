"""Every class at once: mean and variance over all foils, answers from maps that are kept, evidence from masked pictures, run lengths."""
import base64
import math
import os
import struct
import tempfile
import unittest
import urllib.parse

import asking
import daemon
from daemon import picture

CLASSES = len(daemon.LABELS)


def floats(block):
    data = base64.b64decode(block["data"], validate=True)
    return list(struct.unpack("<%df" % (len(data) // 4), data))


def raw(m):
    return floats(m["raw"])


def off(got, want):
    """Largest difference, relative to the largest value wanted."""
    assert len(got) == len(want)
    return max(abs(g - w) for g, w in zip(got, want)) / max(max(map(abs, want)), 1e-30)


def moments(maps):
    n = len(maps)
    mean = [sum(c) / n for c in zip(*maps)]
    return mean, [sum((v - m) ** 2 for v in c) / (n - 1) if n > 1 else 0.0 for c, m in zip(zip(*maps), mean)]


def enlarge(cells, h, w, height, width):
    def taps(n, to):
        for i in range(to):
            at = min(max((i + 0.5) * n / to - 0.5, 0), n - 1)
            low = int(at)
            yield low, min(low + 1, n - 1), at - low
    out = []
    for a, b, down in taps(h, height):
        for c, d, across in taps(w, width):
            top = cells[a * w + c] * (1 - across) + cells[a * w + d] * across
            bottom = cells[b * w + c] * (1 - across) + cells[b * w + d] * across
            out.append(top * (1 - down) + bottom * down)
    return out


def mask(cells, shape, size):
    """Positive part, enlarged, stretched to 0..1."""
    big = enlarge([max(v, 0) for v in cells], *shape, size, size)
    lo, hi = min(big), max(big)
    return [(v - lo) / (hi - lo) if hi > lo else 0.0 for v in big]


class All(asking.Tiny):
    def good(self, image, query, model="tiny"):
        a = self.d.explain(image, query, model)
        self.assertEqual(a.status, 200, a.body[:400])
        return a.json

    def problem(self, query, status, pointer, *words):
        a = self.d.explain(picture(1), query)
        self.assertEqual(a.status, status, a.body[:400])
        self.assertEqual([e["pointer"] for e in a.json["errors"]], [pointer], a.json)
        for word in words:
            self.assertIn(word, a.json["detail"])

    def one_by_one(self, image, contrast, method, target):
        maps = []
        for q in range(CLASSES):
            if q != target:
                m = self.good(image, "?target=%d&why_not=%d&contrast=%s&method=%s&outputs=raw" % (target, q, contrast, method))["maps"][0]
                maps.append((raw(m), m["raw"]["shape"]))
        return maps


class Statistics(All):
    def test_are_those_of_the_maps_of_one_question_after_the_other(self):
        image, target = picture(3), 2
        for contrast in ("cross-entropy", "pair"):
            for method in ("gradcam", "la", "xgradcam"):
                singles = self.one_by_one(image, contrast, method, target)
                question = "?target=%d&why_not=all&contrast=%s&method=%s&outputs=raw" % (target, contrast, method)
                a = self.good(image, question + "&statistics=raw")
                self.assertEqual([m["kind"] for m in a["maps"]], ["mean", "variance"])
                mean, variance = moments([m for m, _ in singles])
                self.assertLess(off(raw(a["maps"][0]), mean), 5e-6, (contrast, method))
                self.assertLess(off(raw(a["maps"][1]), variance), 5e-6, (contrast, method))
                a = self.good(image, question)
                self.assertEqual(a["maps"][0]["raw"]["shape"], [16, 16])  # the network's input
                mean, variance = moments([mask(m, shape, 16) for m, shape in singles])
                self.assertLess(off(raw(a["maps"][0]), mean), 5e-6, (contrast, method))
                self.assertLess(off(raw(a["maps"][1]), variance), 5e-6, (contrast, method))

    def test_of_a_network_with_a_coarse_layer_are_of_maps_as_they_are_drawn(self):
        models = os.path.join(os.path.dirname(__file__), "..", "..", "models")
        with open(os.path.join(models, "signs-vgg", "samples", "keep-left-1.png"), "rb") as f:
            image = f.read()
        with daemon.Daemon(models) as d:
            ask = lambda query, **more: d.explain(image, "?outputs=raw&target=2&contrast=cross-entropy&why_not=" + query, "signs-vgg", **more)
            maps = [ask(str(q)).json["maps"][0] for q in range(24) if q != 2]
            a = ask("all").json
            mean, variance = moments([mask(raw(m), m["raw"]["shape"], 96) for m in maps])
            self.assertLess(off(raw(a["maps"][0]), mean), 5e-6)
            self.assertLess(off(raw(a["maps"][1]), variance), 5e-6)
            self.assertNotEqual(maps[0]["raw"]["shape"], [96, 96])
            several = ask("all&maps=contrast,target", Accept="application/x-npy")
            self.assertEqual(several.status, 400)  # two sizes do not go into one array
            self.assertIn("sizes", several.json["detail"])

    def test_numbers_come_with_them_and_nothing_is_missing(self):
        a = self.good(picture(1), "?why_not=all")
        e = a["evidence"]
        self.assertEqual((e["foils"], e["single_foil"], a["why_not"]), (CLASSES - 1, False, []))
        self.assertEqual(e["voice"]["log_likelihood"], a["target"]["logit"])
        self.assertTrue(0 <= e["voice"]["overlap"] <= 1 and e["voice"]["signal_to_noise"] > 0)
        self.assertEqual(e["rival"]["index"], a["predictions"][1]["index"])
        mean, variance = a["maps"]
        self.assertEqual((mean["contrast"], mean["colormap"], mean["range"]), ("cross-entropy", "viridis", [0, 1]))
        self.assertEqual((variance["colormap"], [round(v, 6) for v in variance["range"]]), ("viridis", [0, 0.2]))
        self.assertNotIn("score", mean)
        self.assertEqual((mean["size"], mean["class"]["index"]), ([24, 20], a["target"]["index"]))

    def test_of_two_classes_have_one_foil_and_say_so(self):
        folder = tempfile.TemporaryDirectory()
        daemon.write_model(folder.name, "two", daemon.tiny_onnx.classifier(seed=5, classes=2), ["yes", "no"], 16)
        with daemon.Daemon(folder.name) as d:
            a = d.explain(picture(2), "?why_not=all&outputs=raw", "two").json
            self.assertTrue(a["evidence"]["single_foil"])
            self.assertEqual(a["evidence"]["foils"], 1)
            self.assertEqual(set(raw(a["maps"][1])), {0.0})
            self.assertTrue(any("two classes" in w for w in a["warnings"]), a["warnings"])
        folder.cleanup()

    def test_small_maps_of_the_nearest_rivals_come_along(self):
        image = picture(4)
        a = self.good(image, "?why_not=all&contrast=pair&rivals=4&outputs=raw&top_k=5")
        strip = a["rivals"]
        self.assertEqual([c["index"] for c in strip["classes"]], [c["index"] for c in a["predictions"][1:5]])
        n, h, w = strip["shape"]
        self.assertEqual((n, strip["contrast"], strip["dtype"]), (4, "pair", "float32"))
        maps = floats(strip)
        for i, c in enumerate(strip["classes"]):
            single = raw(self.good(image, "?why_not=%d&outputs=raw" % c["index"])["maps"][0])
            self.assertLess(off(maps[i * h * w:(i + 1) * h * w], single), 1e-5)
        self.assertEqual(self.good(image, "?why_not=all&rivals=1000&outputs=raw")["rivals"]["shape"][0], CLASSES - 1)

    def test_pictures_and_arrays(self):
        png = self.d.explain(picture(1), "?why_not=all", Accept="image/png")
        self.assertEqual((png.status, daemon.read_png(png.body)[:2]), (200, (24, 20)))
        npy = self.d.explain(picture(1), "?why_not=all", Accept="application/x-npy").body
        self.assertIn(b"'shape': (2, 16, 16)", npy[:128])

    def test_with_a_contrast_of_sets_all_is_the_set_of_all_others(self):
        for target in ("top1", "3"):
            weighted = raw(self.good(picture(5), "?contrast=weighted&outputs=raw&target=" + target)["maps"][0])
            subset = self.good(picture(5), "?contrast=subset&why_not=all&outputs=raw&target=" + target)
            self.assertEqual(len(subset["maps"]), 1)
            self.assertLess(off(raw(subset["maps"][0]), weighted), 1e-5)

    def test_each_of_several_targets_and_rivals_has_a_map_of_its_own(self):
        for rivals, n in (("why_not=1,2&", 2), ("", 1)):
            query = "?contrast=subset&target=3,4&outputs=raw&maps=contrast,target,rival&" + rivals
            maps = self.good(picture(5), query)["maps"]
            self.assertEqual([m["kind"] for m in maps], ["contrast", "target", "target"] + ["rival"] * n)
            self.assertEqual([m["class"]["index"] for m in maps[1:3]], [3, 4])
            self.assertNotIn(maps[3]["class"]["index"], (3, 4))
            for m in maps[1:]:
                alone = self.good(picture(5), "?contrast=logit&outputs=raw&target=%d" % m["class"]["index"])
                self.assertLess(off(raw(m), raw(alone["maps"][0])), 1e-5)

    def test_what_cannot_be_is_refused_by_name(self):
        self.problem("?why_not=all&method=layercam", 501, "/method", "layercam", "gradcam")
        self.problem("?why_not=all&method=gradient", 501, "/method", "gradient", "picture")
        self.problem("?reuse=true&method=lrp", 501, "/method", "reuse", "lrp")
        self.problem("?why_not=all&contrast=weighted", 400, "/why_not", "weighted")
        self.problem("?why_not=all&maps=contrast,rival", 400, "/maps", "rivals=N")
        self.problem("?why_not=1&rivals=3", 400, "/rivals")
        for why_not in ("", "&why_not=1", "&why_not=auto:2", "&why_not=all&contrast=subset&target=1"):
            self.problem("?statistics=raw" + why_not, 400, "/statistics", "why_not=all")
        self.good(picture(1), "?why_not=1&statistics=masks&rivals=0")  # what is the default asks for nothing
        self.problem("?why_not=all&statistics=median", 400, "/statistics")
        for fill in ("blur", "black"):  # the default too: who names it means pixels to be hidden
            for evidence in ("", "&evidence=numbers"):
                self.problem("?fill=" + fill + evidence, 400, "/fill", "evidence=mask")
        image = {"b64": daemon.b64(picture(1))}
        for field, value in (("fill", "zero"), ("statistics", "raw")):
            a = self.d.ask({"image": image, field: value})
            self.assertEqual((a.status, a.json["errors"][0]["pointer"]), (400, "/" + field))
            body, headers = asking.form(("image", picture(1)), (field, value.encode()))
            self.assertEqual(self.d.request("POST", "/v1/models/tiny/explain", body, headers).status, 400, field)
            one, two = self.d.ask({"image": image, field: value, "instances": [{}, {"why_not": "all", "evidence": "mask"}]}).json["explanations"]
            self.assertEqual((one["status"], one["errors"][0]["pointer"], "maps" in two), (400, "/instances/0/" + field, True))
        self.problem("?evidence=maybe", 400, "/evidence")
        self.problem("?evidence=mask&fill=pink", 400, "/fill")

    def test_every_wish_for_maps_has_room(self):
        for maps, kinds in (("target", ["mean", "variance", "target"]), ("contrast,target", ["mean", "variance", "target"]),
                            ("contrast", ["mean", "variance"])):
            self.assertEqual([m["kind"] for m in self.good(picture(1), "?why_not=all&outputs=raw&maps=" + maps)["maps"]], kinds)

    def test_in_a_batch_beside_other_questions_about_the_same_picture(self):
        image = {"b64": daemon.b64(picture(6))}
        questions = [{"why_not": "all"}, {"why_not": 3, "target": 0}, {"why_not": "all", "contrast": "pair"}, {"why_not": "all", "method": "la"},
                     {"why_not": 3, "target": 0, "reuse": True}, {"why_not": "all", "method": "lrp"}]
        together = self.d.ask({"image": image, "outputs": "raw", "instances": questions}).json["explanations"]
        for q, got in zip(questions, together):
            alone = self.d.ask(dict(q, image=image, outputs="raw")).json
            if "maps" not in alone:
                self.assertEqual((got["status"], got["detail"]), (alone["status"], alone["detail"]))
                continue
            self.assertEqual([raw(m) for m in got["maps"]], [raw(m) for m in alone["maps"]], q)


class TwoPasses(All):
    def test_a_contrast_of_two_passes_is_not_its_first(self):
        """Alone, in a batch, and where the target is only known with the logits; what one class has is less than what is left of it."""
        image = picture(2)
        for target in ("top1", "3"):
            ask = lambda contrast: self.good(image, "?method=lrp-zplus&outputs=raw&target=%s&contrast=%s" % (target, contrast))["maps"][0]
            logit, clrp = ask("logit"), ask("clrp")
            self.assertLess(abs(sum(raw(clrp))), 1e-4 * sum(map(abs, raw(clrp))) + 1e-6)  # both totals are of one size, and here of one sign
            self.assertGreater(clrp["mass_negative"], 0)
            self.assertNotEqual(raw(clrp), raw(logit))
            question = {"image": {"b64": daemon.b64(image)}, "method": "lrp-zplus", "target": "top1" if target == "top1" else 3, "outputs": "raw"}
            batch = self.d.ask({**question, "instances": [{"contrast": "clrp"}, {"why_not": "auto:2"}, {"contrast": "logit"}]}).json["explanations"]
            self.assertEqual([raw(batch[0]["maps"][0]), raw(batch[2]["maps"][0])], [raw(clrp), raw(logit)])


class OneOutput(unittest.TestCase):
    def test_is_two_classes_the_first_with_a_logit_of_zero(self):
        folder = tempfile.TemporaryDirectory()
        daemon.write_model(folder.name, "one", daemon.tiny_onnx.classifier(seed=5, classes=1), ["no", "yes"], 16)
        with daemon.Daemon(folder.name) as d:
            ask = lambda query: d.explain(picture(1), query + "&outputs=raw", "one")
            a = ask("?target=yes").json
            logits = {p["label"]: p["logit"] for p in a["predictions"]}
            self.assertEqual((set(logits), logits["no"]), ({"no", "yes"}, 0))
            self.assertNotEqual(logits["yes"], 0)
            self.assertAlmostEqual(sum(p["probability"] for p in a["predictions"]), 1, 6)
            self.assertAlmostEqual(a["evidence"]["logit_gap"], logits["yes"], 5)
            pair, other = (raw(ask("?target=%d&why_not=%d" % t).json["maps"][0]) for t in ((1, 0), (0, 1)))
            self.assertLess(off(pair, raw(a["maps"][0])), 1e-6)
            self.assertLess(off([-v for v in other], pair), 1e-6)
            self.assertLess(off(raw(ask("?target=yes&reuse=true").json["maps"][0]), pair), 5e-6)
            m = ask("?target=yes&why_not=no&evidence=mask").json["evidence"]
            self.assertAlmostEqual(m["masking"][0]["relative_probability"], m["relative_probability"], 6)
            self.assertEqual(ask("?why_not=all").status, 400)
            value = ask("?contrast=regression&value=2.5").json
            self.assertEqual((value["target"]["label"], value["maps"][0]["class"]["label"]), ("yes", "yes"))
            self.assertEqual(ask("?contrast=regression&value=2.5&target=yes").json["target"]["label"], "yes")
            refused = ask("?contrast=regression&value=2.5&target=no")
            self.assertEqual((refused.status, refused.json["detail"]), (400, "the one output is of the class 'yes', and the value with it: ask about that one"))
        folder.cleanup()


class Kept(All):
    def counts(self):
        return [int(self.d.metric('whynot_stack_cache_total{result="%s"}' % r)) for r in ("hit", "miss")]

    def test_the_next_question_about_a_picture_needs_no_pass(self):
        image, (hits, misses) = picture(10), self.counts()
        first = self.good(image, "?reuse=true&target=0&why_not=3&outputs=raw")
        self.assertEqual(self.counts(), [hits, misses + 1])
        self.assertGreater(self.d.metric("whynot_stack_cache_bytes"), 0)
        for query in ("?target=0&why_not=5", "?contrast=weighted", "?contrast=subset&target=1,2&why_not=4,5", "?why_not=auto:3&maps=contrast,target,rival"):
            plain, kept = (self.good(image, query + "&outputs=raw" + more) for more in ("", "&reuse=true"))
            self.assertEqual(kept["timings_ms"]["forward"], 0)
            self.assertLess(off([c["logit"] for c in kept["predictions"]], [c["logit"] for c in plain["predictions"]]), 5e-6)
            for a, b in zip(plain["maps"], kept["maps"]):
                self.assertLess(off(raw(b), raw(a)), 2e-5)
                self.assertEqual((a["kind"], a["class"], a["rival"], a["layer"], a["flat"], a["empty"]),
                                 (b["kind"], b["class"], b["rival"], b["layer"], b["flat"], b["empty"]))
        again = self.good(image, "?reuse=true&target=0&why_not=3&outputs=raw")
        self.assertEqual(self.counts()[1], misses + 1)
        self.assertEqual([raw(m) for m in again["maps"]], [raw(m) for m in first["maps"]])  # the same bytes, kept or not

    def test_is_never_the_answer_of_another_picture_model_method_or_layer(self):
        layers = [l["name"] for l in self.d.get("/v1/models/tiny/layers").json["layers"] if l["op"] != "Input"]
        for seed in (20, 21):
            for model in ("tiny", "other"):
                for more in ("", "&method=la", "&layer=" + layers[0]):
                    query = "?why_not=1&target=0&outputs=raw" + more
                    want = self.d.explain(picture(seed), query, model)
                    if want.status != 200:
                        continue
                    for _ in range(2):
                        got = self.good(picture(seed), query + "&reuse=true", model)
                        self.assertLess(off(raw(got["maps"][0]), raw(want.json["maps"][0])), 2e-5, (seed, model, more))

    def test_an_overlay_and_a_picture_in_base64_find_it_too(self):
        image = picture(30)
        self.good(image, "?reuse=true&target=0&why_not=3")
        hits, misses = self.counts()
        a = self.good(image, "?reuse=true&target=0&why_not=3&outputs=overlay,heatmap")
        self.assertTrue(a["maps"][0]["overlay"])
        b = self.d.ask({"image": {"b64": daemon.b64(image)}, "reuse": True, "target": 0, "why_not": 3, "outputs": ["heatmap"]}).json
        self.assertEqual(b["maps"][0]["data"], a["maps"][0]["data"])
        self.assertEqual(b["image"], a["image"])
        self.assertEqual(self.counts(), [hits + 2, misses])

    def test_a_new_version_of_a_model_has_nothing_kept(self):
        hits, misses = self.counts()
        self.good(picture(31), "?reuse=true&target=0&why_not=3")
        self.good(picture(31), "?reuse=true&target=0&why_not=1", "other")
        self.assertEqual(self.counts(), [hits, misses + 2])


class Together(All):
    """Maps of every class are made for several pictures in one run: each keeps its own."""
    options = asking.LARGE_BATCHES[:-1] + ["1000000"]  # eight at a time find themselves in one batch
    queries = ["why_not=all", "why_not=all&method=la", "why_not=all&contrast=pair&rivals=3", "reuse=true&why_not=2&target=1"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alone = daemon.Daemon(cls.folder.name)
        cls.addClassCleanup(cls.alone.__exit__, None, None, None)

    def same(self, got, want, where):
        self.assertEqual(got["target"]["index"], want["target"]["index"], where)
        self.assertLess(off([c["logit"] for c in got["predictions"]], [c["logit"] for c in want["predictions"]]), 1e-5, where)
        self.assertEqual(len(got["maps"]), len(want["maps"]), where)
        for a, b in zip(got["maps"], want["maps"]):
            self.assertLess(off(raw(a), raw(b)), 2e-5, where)
        if "rivals" in want:
            self.assertLess(off(floats(got["rivals"]), floats(want["rivals"])), 2e-5, where)

    def test_each_client_gets_the_answer_of_its_own_picture(self):
        def ask(i):
            query = "?outputs=raw&" + self.queries[i % 4]
            got[i] = self.good(picture(50 + i // 4), query)
            self.same(got[i], self.alone.explain(picture(50 + i // 4), query, "tiny").json, (i, query))

        def ask_again(i):  # what is kept of each is its own
            again = self.good(picture(50 + i // 4), "?outputs=raw&" + self.queries[i % 4])
            self.assertEqual(again["timings_ms"]["forward"], 0)
            self.assertEqual([raw(m) for m in again["maps"]], [raw(m) for m in got[i]["maps"]])
        got = {}
        daemon.in_threads(16, ask)
        daemon.in_threads(16, ask_again)

    def test_a_list_of_pictures_is_one_batch_with_an_answer_for_each(self):
        pictures = [picture(70 + i % 6) for i in range(7)]  # one of them twice
        instances = [{"image": {"b64": daemon.b64(p)}} for p in pictures]
        layer = self.d.get("/v1/models/tiny/layers").json["layers"][1]["name"]  # methods differ before the last one
        for i, more in ((1, {}), (2, {"method": "la"}), (4, {"method": "xgradcam"}), (5, {})):
            instances[i].update(more, layer=layer)
        before = self.d.metric("whynot_batch_size_count")
        got = self.d.ask({"instances": instances, "why_not": "all", "outputs": "raw"}).json["explanations"]
        self.assertEqual(self.d.metric("whynot_batch_size_count"), before + 1)
        for a, instance in zip(got, instances):
            self.same(a, self.alone.ask(dict(instance, why_not="all", outputs="raw")).json, [instance.get(k) for k in ("layer", "method")])
            self.assertGreater(a["timings_ms"]["forward"], 0)

    def test_pictures_whose_numbers_overflow_fail_alone(self):
        big = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 16, 16], "data": [3e38] * 768}],
               "parameters": {"explain": True, "why_not": "all"}}

        def ask(i):
            if i in (1, 4, 5):
                a = self.d.ask(big, "/v2/models/tiny/infer")
                self.assertEqual((a.status, a.json["code"]), (422, "BAD_NUMBERS"), a.body[:300])
                return
            query = "?outputs=raw&why_not=all"
            self.same(self.good(picture(80 + i), query), self.alone.explain(picture(80 + i), query, "tiny").json, i)
        daemon.in_threads(8, ask)


class KeptLittle(All):
    options = ["--stack-cache-bytes", "20000"]

    def test_memory_is_bounded_and_what_was_asked_last_stays(self):
        for seed in range(40):
            self.good(picture(seed), "?reuse=true&target=0&why_not=3&outputs=raw")
            self.assertLessEqual(self.d.metric("whynot_stack_cache_bytes"), 20000)
        hits = self.d.metric('whynot_stack_cache_total{result="hit"}')
        self.good(picture(39), "?reuse=true&target=0&why_not=3&outputs=raw")
        self.good(picture(0), "?reuse=true&target=0&why_not=3&outputs=raw")
        self.assertEqual(self.d.metric('whynot_stack_cache_total{result="hit"}'), hits + 1)

    def test_many_at_once(self):
        def ask(i):
            image = picture(i % 5)
            a = self.good(image, "?reuse=true&why_not=all&outputs=raw" if i % 2 else "?reuse=true&why_not=2&target=1&outputs=raw")
            seen.setdefault((i % 5, i % 2), []).append([raw(m) for m in a["maps"]])
        seen = {}
        daemon.in_threads(20, ask)
        for answers in seen.values():
            self.assertTrue(all(a == answers[0] for a in answers))


class KeptNone(All):
    options = ["--stack-cache-bytes", "0"]

    def test_answers_are_the_same_and_nothing_is_kept(self):
        a, b = (self.good(picture(1), "?reuse=true&target=0&why_not=3&outputs=raw") for _ in range(2))
        self.assertEqual(raw(a["maps"][0]), raw(b["maps"][0]))
        self.assertGreater(b["timings_ms"]["forward"], 0)
        self.assertEqual(self.d.metric("whynot_stack_cache_bytes"), 0)


class Masked(All):
    def test_evidence_weighs_what_each_side_of_the_map_does(self):
        for fill in ("blur", "zero", "mean", "black"):
            a = self.good(picture(1), "?why_not=auto:2&evidence=mask&fill=" + fill)
            e = a["evidence"]
            self.assertEqual([m["map"] for m in e["masking"]], [0, 1])
            for m, rival in zip(e["masking"], a["why_not"]):
                self.assertEqual((m["fill"], m["rival"]["index"]), (fill, rival["index"]))
                self.assertEqual("blur_radius" in m, fill == "blur")
                self.assertTrue(0 < m["area_positive"] + m["area_negative"] <= 1)
                gap = a["target"]["logit"] - rival["logit"]
                self.assertAlmostEqual(m["relative_probability"], 1 / (1 + math.exp(-gap)), 6)
                self.assertEqual(m["turns"], m["keep_negative"] < 0.5)
                self.assertIn(a["target"]["label"], m["words"])
                self.assertIn("turns" if m["turns"] else "stays", m["words"])
            self.assertIn("evidence", a["timings_ms"])
        self.assertEqual(self.good(picture(1), "?target=0&why_not=1&evidence=mask")["evidence"]["masking"][0]["blur_radius"], 15)  # 16 pixels a side

    def test_masking_by_a_mask_of_ours_gives_the_same_probability(self):
        """A picture of the input's own size, filled with black: what is hidden is a picture that can be sent."""
        image, n = picture(7, 16, 16), 16
        a = self.good(image, "?why_not=auto:1&evidence=mask&fill=black&outputs=raw&reuse=true")
        m, shape = a["maps"][0], a["maps"][0]["raw"]["shape"]
        big = enlarge(raw(m), *shape, n, n)
        w, h, _, rows = daemon.read_png(image)
        pixels = [rows[y * (3 * w + 1) + 1 + 3 * x:][:3] for y in range(h) for x in range(w)]
        for side, hidden in (("keep_positive", lambda v: v < 0), ("keep_negative", lambda v: v > 0)):
            masked = daemon.png(n, n, lambda x, y: b"\0\0\0" if hidden(big[y * n + x]) else pixels[y * n + x])
            b = self.good(masked, "?target=%d&why_not=%d&outputs=raw" % (a["target"]["index"], a["why_not"][0]["index"]))
            self.assertAlmostEqual(b["evidence"]["relative_probability"], a["evidence"]["masking"][0][side], 5)

    def test_every_contrast_and_kind_of_question_has_a_rival_to_weigh_against(self):
        for c in self.d.get("/v1/contrasts").json["contrasts"]:
            a = self.d.explain(picture(2), "?evidence=mask&outputs=raw&contrast=" + c["name"])
            if a.status == 200:
                m = a.json["evidence"]["masking"]
                self.assertEqual(len(m), 1)
                self.assertNotEqual(m[0]["rival"]["index"], a.json["target"]["index"])
        self.good(picture(2), "?contrast=cross-entropy&target=3&why_not=3&evidence=mask")
        a = self.good(picture(2), "?contrast=subset&target=3,4&why_not=5,6&evidence=mask")
        self.assertEqual([t["index"] for t in a["targets"]], [3, 4])
        self.assertAlmostEqual(a["evidence"]["relative_probability_of_sets"], a["evidence"]["masking"][0]["relative_probability"], 6)
        words = a["evidence"]["masking"][0]["words"]
        p, q = (" or ".join(c["label"] for c in a[key]) for key in ("targets", "why_not"))
        self.assertIn("what speaks for %s (" % p, words)
        self.assertIn("p(%s | these or %s) %.2f -> " % (p, q, a["evidence"]["relative_probability_of_sets"]), words)
        a = self.good(picture(2), "?contrast=subset&target=3&why_not=5,6,7,8&evidence=mask")
        p, q = a["target"]["label"], [c["label"] for c in a["why_not"]]
        self.assertIn("p(%s | it or %s, %s or 2 others) " % (p, q[0], q[1]), a["evidence"]["masking"][0]["words"])
        self.assertEqual(self.good(picture(2), "?why_not=all&evidence=mask")["evidence"]["masking"], [])

    def test_a_method_that_looks_at_no_class_is_said_to_speak_for_none(self):
        a = self.good(picture(2), "?method=eigencam&evidence=mask&target=3&outputs=raw")
        self.assertEqual(a["maps"][0]["positive_means"], "for no class in particular")
        self.assertIn("the method looks at no class: its map is the same whichever is asked about", a["warnings"])
        self.assertTrue(a["evidence"]["masking"][0]["words"].startswith("keeping only what the map marks ("), a["evidence"])
        b = self.good(picture(2), "?method=gradcam&target=3&outputs=raw")
        self.assertEqual([w for w in b["warnings"] if "no class" in w], [])

    def test_sides_of_a_map_are_named_by_what_they_speak_for(self):
        """The same evidence told both ways round: by a value below P's score and above it, and by P contrasted with itself."""
        target = self.good(picture(2), "")["target"]
        ask = lambda contrast: self.good(picture(2), "?evidence=mask&fill=zero&outputs=raw&contrast=" + contrast)
        for way, others in (("logit", (("regression&value=%r" % (target["logit"] - 0.5), "for the class"), ("regression&value=%r" % (target["logit"] + 0.5), "against the class"))),
                            ("weighted", (("cross-entropy&why_not=%d" % target["index"], "against the class"),))):
            a = ask(way)
            m = a["evidence"]["masking"][0]
            self.assertEqual(a["maps"][0]["positive_means"], "for the class")
            for other, means in others:
                b = ask(other)
                n, reverse = b["evidence"]["masking"][0], means != "for the class"
                self.assertEqual((b["maps"][0]["positive_means"], n["words"], n["turns"]), (means, m["words"], m["turns"]))
                self.assertAlmostEqual(b["maps"][0]["share_positive"], 1 - a["maps"][0]["share_positive"] if reverse else a["maps"][0]["share_positive"], 3)
                self.assertAlmostEqual(n["area_negative" if reverse else "area_positive"], m["area_positive"], 2)
                self.assertAlmostEqual(n["keep_negative" if reverse else "keep_positive"], m["keep_positive"], 3)

    def test_cross_entropy_speaks_against_the_rival_whoever_is_asked_about(self):
        for target in (7, 8):
            a = self.good(picture(2), "?evidence=mask&outputs=raw&contrast=cross-entropy&why_not=3&target=%d" % target)
            label, words = a["why_not"][0]["label"], a["evidence"]["masking"][0]["words"]
            self.assertEqual(a["maps"][0]["positive_means"], "against the rival")
            self.assertTrue(words.startswith("keeping only what speaks against %s (" % label), words)
            self.assertIn("p(%s | it or %s)" % (a["target"]["label"], label), words)
            self.assertNotIn("for " + a["target"]["label"], words)

    def test_where_the_rival_wins_the_words_say_which_side_must_be_hidden(self):
        seen = set()
        for i in range(6):
            best, worst = (self.good(picture(i), "?top_k=12")["predictions"][k]["label"] for k in (0, 11))
            for contrast, side in (("pair", "against " + worst), ("cross-entropy", "for " + best)):
                m = self.good(picture(i), "?" + urllib.parse.urlencode({"evidence": "mask", "contrast": contrast, "target": worst, "why_not": best}))["evidence"]["masking"][0]
                self.assertLess(m["relative_probability"], 0.5)
                self.assertEqual(m["turns"], m["keep_positive"] > 0.5)
                self.assertTrue(m["words"].endswith("the decision %s once what speaks %s is hidden" % ("turns" if m["turns"] else "stays even", side)), m["words"])
                seen.add(m["turns"])
        self.assertIn(False, seen)

    def test_a_map_without_a_positive_value_says_what_nothing_speaks_for(self):
        said = set()
        for i in range(12):
            for question in ("regression&target=%d&value=1e6" % i, "regression&target=%d&value=-1e6" % i, "cross-entropy&why_not=%d&target=0" % i, "logit&target=%d" % i):
                a = self.good(picture(2), "?outputs=raw&method=la&contrast=" + question)
                m, empty = a["maps"][0], [w for w in a["warnings"] if "no positive value" in w]
                self.assertEqual(empty, ["a map has no positive value: nothing speaks %s asked about" % m["positive_means"]] if m["empty"] else [])
                said |= {m["positive_means"] for _ in empty}
        self.assertEqual(said, {"for the class", "against the class", "against the rival"})

    def test_masked_passes_count_among_the_questions(self):
        image = {"b64": daemon.b64(picture(1))}
        p = self.d.ask({"image": image, "evidence": "mask", "instances": [{"why_not": list(range(1, 12)), "target": 0}] * 2}).json
        self.assertEqual({e["status"] for e in p["explanations"]}, {400})


class Outputs(All):
    def test_run_lengths_are_the_strongest_fifth(self):
        a = self.good(picture(3), "?why_not=auto:1&outputs=rle,bbox")
        m = a["maps"][0]
        self.assertNotIn("encoding", m)
        h, w = m["rle"]["size"]
        self.assertEqual([w, h], m["size"])
        self.assertEqual(sum(m["rle"]["counts"]), w * h)
        inside, at = set(), 0
        for i, n in enumerate(m["rle"]["counts"]):
            if i % 2:
                inside.update((k // h, k % h) for k in range(at, at + n))  # column after column
            at += n
        xs, ys = [x for x, _ in inside], [y for _, y in inside]
        self.assertEqual(m["bbox"], [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1])
        self.assertIn(tuple(m["peak"]), inside)

    def test_raw_alone_has_range_and_peak_in_cells(self):
        m = self.good(picture(3), "?why_not=auto:1&outputs=raw")["maps"][0]
        h, w = m["raw"]["shape"]
        values = raw(m)
        self.assertEqual(m["size"], [w, h])
        self.assertEqual(values[m["peak"][1] * w + m["peak"][0]], max(values))
        self.assertAlmostEqual(m["range"][1], max(map(abs, values)), 5)
        self.assertNotIn("encoding", m)
        share = sum(v for v in values if v > 0) / sum(map(abs, values))
        self.assertAlmostEqual(m["share_positive"], share, 5)

    def test_evidence_names_a_rival_even_where_the_question_does_not(self):
        a = self.good(picture(3), "?contrast=weighted")
        self.assertEqual(a["evidence"]["rival"]["index"], a["predictions"][1]["index"])
        a = self.good(picture(3), "?why_not=auto:3")
        self.assertEqual([r["index"] for r in a["evidence"]["rivals"]], [r["index"] for r in a["why_not"]])


if __name__ == "__main__":
    unittest.main()
