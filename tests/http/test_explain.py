"""One question and its answer: each content type, each field."""
import base64
import os
import tempfile
import unittest
from urllib.parse import quote

import asking
import daemon
from daemon import b64, picture

RAW = "?outputs=raw"


class Explain(asking.Asking):
    def test_answer_has_what_the_api_promises(self):
        a = self.good(self.d.explain(picture(1), "?why_not=auto:1&outputs=heatmap,bbox,raw&id=mine"))
        for key in ("id", "model", "image", "predictions", "target", "why_not", "maps", "evidence", "timings_ms", "provenance", "warnings"):
            self.assertIn(key, a)
        self.assertIn(a["provenance"]["precision"], ("f32", "bf16", "f64"))  # what ran, not what was asked for
        self.assertEqual((a["id"], a["model"]["name"], a["model"]["version"]), ("mine", "tiny", "1"))
        self.assertEqual(a["image"], {"width": 24, "height": 20, "resized": [16, 16], "crop": [0, 0, 16, 16]})
        self.assertEqual(len(a["predictions"]), 5)
        p = [x["probability"] for x in a["predictions"]]
        self.assertEqual(p, sorted(p, reverse=True))
        self.assertEqual(a["target"], a["predictions"][0])
        self.assertEqual(a["why_not"], [a["predictions"][1]])
        (m,) = a["maps"]
        self.assertEqual((m["kind"], m["contrast"], m["method"], m["layer"]), ("contrast", "pair", "gradcam", "relu1"))
        self.assertEqual(m["class"]["index"], a["target"]["index"])
        self.assertEqual(m["rival"]["index"], a["why_not"][0]["index"])
        self.assertEqual(m["range"][0], -m["range"][1])
        self.assertAlmostEqual(a["evidence"]["logit_gap"], p and a["predictions"][0]["logit"] - a["predictions"][1]["logit"], 5)
        self.assertEqual(set(a["timings_ms"]), {"queue", "decode", "forward", "backward", "cam", "encode", "total"})
        self.assertEqual(m["raw"]["shape"], [16, 16])

    def test_heatmap_is_a_palette_png_of_the_pictures_size(self):
        (m,) = self.good(self.d.explain(picture(1)))["maps"]
        self.assertEqual(m["encoding"], "png;base64")
        w, h, color, _ = daemon.read_png(base64.b64decode(m["data"], validate=True))
        self.assertEqual((w, h, color), (24, 20, 3))
        (m,) = self.good(self.d.explain(picture(1), "?size=input"))["maps"]
        self.assertEqual(daemon.read_png(base64.b64decode(m["data"]))[:2], (16, 16))

    def test_no_question_asks_for_the_logit_map_of_this_pictures_prediction(self):
        for seed in range(6):
            a = self.good(self.d.explain(picture(seed), RAW))
            (m,) = a["maps"]
            self.assertEqual((m["kind"], m["contrast"], m["class"]["index"]), ("target", "logit", a["predictions"][0]["index"]))
            self.assertEqual(a["why_not"], [])

    def test_prediction_differs_between_pictures(self):
        """Else the test above could not see a target taken from another picture."""
        tops = {self.good(self.d.explain(picture(seed)))["target"]["index"] for seed in range(16)}
        self.assertGreater(len(tops), 1)

    def test_contrast_is_the_difference_of_logit_maps(self):
        a = self.good(self.d.explain(picture(2), "?target=3&why_not=9&maps=contrast,target,rival&outputs=raw"))
        self.assertEqual([(m["kind"], m["class"]["index"]) for m in a["maps"]], [("contrast", 3), ("target", 3), ("rival", 9)])
        contrast, target, rival = (asking.raw_map(m) for m in a["maps"])
        scale = max(map(abs, target + rival))
        for c, t, r in zip(contrast, target, rival):
            self.assertLess(abs(c - (t - r)), 1e-5 * scale)
        self.assertGreater(max(map(abs, contrast)), 0.01 * scale)

    def test_sum_of_the_logit_map_is_the_logit_without_its_bias(self):
        """A global average pool and one linear layer: Grad-CAM adds up to y - b, so two pictures differ by their logits' difference."""
        sums, logits = [], []
        for seed in (1, 5):
            a = self.good(self.d.explain(picture(seed), "?target=6&outputs=raw&top_k=12"))
            sums.append(sum(asking.raw_map(a["maps"][0])))
            logits.append([p["logit"] for p in a["predictions"] if p["index"] == 6][0])
        self.assertGreater(abs(logits[0] - logits[1]), 1e-3)
        self.assertAlmostEqual(sums[0] - sums[1], logits[0] - logits[1], 4)

    def test_settings_of_methods_come_in_every_form(self):
        path, fields = "/v1/models/tiny/explain", {"method": "ig", "steps": 7, "quadrature": "midpoint", "path_target": "frozen", "target": 3, "why_not": 9, "outputs": "raw"}
        query = "?" + "&".join("%s=%s" % f for f in fields.items())
        body, head = asking.form(("image", picture(1)), *[(k, str(v).encode()) for k, v in fields.items()])
        answers = [self.good(a) for a in (self.d.explain(picture(1), query), self.d.request("POST", path, body, head),
                                          self.d.ask({"image": {"b64": b64(picture(1))}, **fields}))]
        plain = self.good(self.d.explain(picture(1), "?method=ig&target=3&why_not=9&outputs=raw"))["maps"][0]
        maps = [a["maps"][0] for a in answers]
        self.assertEqual([m["raw"] for m in maps], [maps[0]["raw"]] * 3)
        self.assertNotEqual(maps[0]["raw"], plain["raw"])  # 50 nodes elsewhere

    def test_completeness_is_told_and_warned_of(self):
        residuals = []
        for steps in (1, 256):
            a = self.good(self.d.explain(picture(1), "?method=ig&path_target=frozen&target=3&why_not=9&outputs=raw&steps=%d" % steps))
            (m,) = a["maps"]
            c = m["completeness"]
            self.assertEqual(c["scalar"], "v.y")
            self.assertAlmostEqual(c["sum"], sum(asking.raw_map(m)), 3)
            self.assertAlmostEqual(c["residual"], abs(c["sum"] - c["expected"]) / abs(c["expected"]), 5)
            self.assertEqual(any("completeness" in w for w in a["warnings"]), c["residual"] > 0.01, a["warnings"])
            residuals.append(c["residual"])
        self.assertGreater(residuals[0], 0.01)  # else nothing above was seen with a warning
        self.assertLess(residuals[1], 0.01)
        self.assertNotIn("completeness", self.good(self.d.explain(picture(1)))["maps"][0])

    def test_what_is_not_found_is_told_with_its_margin(self):
        p = self.good(self.d.explain(picture(1)))["predictions"]
        query = "?method=pertinent-positive&contrast=pair&rounds=1&iterations=2&superpixels=9&outputs=raw&target=%d&why_not=%d"
        a = self.good(self.d.explain(picture(1), query % (p[2]["index"], p[0]["index"])))
        (m,) = a["maps"]
        self.assertAlmostEqual(m["not_found"]["margin"], p[2]["logit"] - p[0]["logit"], 4)
        self.assertTrue(m["empty"] and m["flat"])
        (warning,) = a["warnings"]
        self.assertIn("behind a rival's logit by %.4g" % (p[0]["logit"] - p[2]["logit"]), warning)
        a = self.good(self.d.explain(picture(1), query % (p[0]["index"], p[2]["index"])))
        self.assertNotIn("not_found", a["maps"][0])
        self.assertEqual(a["warnings"], [])

    def test_settings_that_cannot_be_are_refused_by_name(self):
        for query, pointer, word in (("method=ig&steps=0", "/steps", "1 to 256"), ("method=ig&steps=257", "/steps", "1 to 256"), ("method=ig&steps=1.5", "/steps", "whole"),
                                     ("method=ig&steps=nan", "/steps", "number"), ("method=ig&baseline=grey", "/baseline", "blurred"),
                                     ("steps=3", "/method", "gradcam' takes no steps"), ("method=lrp&alpha=2", "/method", "takes no alpha"),
                                     ("method=smoothgrad&base_method=nothing", "/base_method", "/v1/methods"),
                                     ("method=smoothgrad&base_method=ig&samples=128&steps=256", "/method", "4096"), ("method=ig&steps=3&steps=4", "/steps", "twice")):
            with self.subTest(query):
                self.assertIn(word, self.problem(self.d.explain(picture(1), "?" + query), 400, "BAD_REQUEST", pointer)["detail"])
        for value in ([3], {"a": 1}, True, "", 1e99):
            with self.subTest(value):
                self.problem(self.d.ask({"image": {"b64": b64(picture(1))}, "method": "ig", "steps": value}), 400, "BAD_REQUEST", "/steps")
        methods = {m["name"]: m["options"] for m in self.d.get("/v1/methods").json["methods"]}
        self.assertEqual((methods["gradcam"], methods["lrp-alpha-beta"]), ([], ["epsilon", "alpha"]))

    def test_maps_of_several_layers_are_scaled_enlarged_and_averaged(self):
        names = [l["name"] for l in self.d.get("/v1/models/tiny/layers").json["layers"] if l["op"] != "Input"]
        names = [names[0], names[-1]]
        single = [self.good(self.d.explain(picture(1), "?outputs=raw&target=3&why_not=9&layer=" + quote(n)))["maps"][0] for n in names]
        if single[0]["raw"]["shape"] != single[1]["raw"]["shape"]:
            self.skipTest("the layers differ in size")
        maps = [asking.raw_map(m) for m in single]
        scales = [max(map(abs, m)) for m in maps]
        want = [sum(v / s for v, s in zip(values, scales)) / 2 for values in zip(*maps)]
        question = {"image": {"b64": b64(picture(1))}, "outputs": "raw", "target": 3, "why_not": 9}
        body, head = asking.form(("image", picture(1)), ("outputs", b"raw"), ("target", b"3"), ("why_not", b"9"), ("layers", ",".join(names).encode()))
        forms = (self.d.explain(picture(1), "?outputs=raw&target=3&why_not=9&layers=" + quote(",".join(names))),
                 self.d.explain(picture(1), "?outputs=raw&target=3&why_not=9" + "".join("&layers=" + quote(n) for n in names)),
                 self.d.ask({**question, "layers": names}), self.d.request("POST", "/v1/models/tiny/explain", body, head))
        for answer in forms:
            (m,) = self.good(answer)["maps"]
            self.assertEqual((m["layers"], m["layer"]), (names, ", ".join(names)))
            self.assertLess(max(abs(a - b) for a, b in zip(asking.raw_map(m), want)), 1e-5)
        self.assertNotIn("layers", single[0])

    def test_layers_that_cannot_be_fused_are_refused_by_name(self):
        two = "layers=relu1,auto"
        for query, status, code, pointer in ((two, 400, "BAD_REQUEST", "/layers"), ("layers=relu1", 400, "BAD_REQUEST", "/layers"),
                                             ("layers=relu1,nowhere", 404, "NO_SUCH_LAYER", "/layers"), ("layers=", 400, "BAD_REQUEST", "/layers"),
                                             ("layers=relu1,relu2&layer=relu1", 400, "BAD_REQUEST", "/layers"),
                                             ("layers=relu1,relu2&method=ixg", 400, "BAD_REQUEST", "/layers"),
                                             ("layers=relu1,relu2&why_not=all", 400, "BAD_REQUEST", "/layers"),
                                             ("layers=" + ",".join("abcdefghi"), 400, "BAD_REQUEST", "/layers")):
            with self.subTest(query):
                self.problem(self.d.explain(picture(1), "?" + query), status, code, pointer)
        for layers in ([], [1, 2], 3, ["relu1", ""]):
            with self.subTest(layers):
                self.problem(self.d.ask({"image": {"b64": b64(picture(1))}, "layers": layers}), 400, "BAD_REQUEST", "/layers")

    def test_classes_by_label_whatever_their_case(self):
        a = self.good(self.d.explain(picture(1), "?target=No%20Right%20TURN&why_not=no+left+turn"))
        self.assertEqual((a["target"]["index"], [w["index"] for w in a["why_not"]]), (1, [0]))
        a = self.good(self.d.explain(picture(1), "?target=priority,%20road"))
        self.assertEqual(a["target"]["index"], 11)

    def test_top1_is_the_prediction(self):
        a, b = (self.good(self.d.explain(picture(4), q)) for q in ("?target=top1", ""))
        self.assertEqual(a["target"], b["target"])

    def test_several_rivals_give_a_map_each(self):
        for query in ("?target=0&why_not=3,7,9", "?target=0&why_not=3&why_not=7&why_not=yield"):
            a = self.good(self.d.explain(picture(1), query))
            self.assertEqual([m["rival"]["index"] for m in a["maps"]], [3, 7, 9])
            self.assertEqual([w["index"] for w in a["why_not"]], [3, 7, 9])

    def test_auto_takes_the_nearest_rivals(self):
        for target in ("", "&target=2"):
            a = self.good(self.d.explain(picture(1), "?why_not=auto:3&top_k=12" + target))
            order = [p["index"] for p in a["predictions"] if p["index"] != a["target"]["index"]]
            self.assertEqual([m["rival"]["index"] for m in a["maps"]], order[:3])
            self.assertEqual([w["index"] for w in a["why_not"]], order[:3])

    def test_auto_is_a_count_whatever_its_case(self):
        want = self.good(self.d.explain(picture(1), "?why_not=auto:3&outputs=raw"))["maps"]
        self.assertEqual(self.good(self.d.explain(picture(1), "?why_not=AUTO:3&outputs=raw"))["maps"], want)
        for wish in ("auto:0", "auto:", "auto:-1", "Auto:two", "auto:1.5", "auto:99999999999"):
            p = self.problem(self.d.explain(picture(1), "?why_not=" + wish), 400, "BAD_REQUEST", "/why_not")
            self.assertIn("auto:N", p["detail"])

    def test_a_number_that_was_not_said(self):
        for value in (0.25, -3.5):
            a = self.good(self.d.explain(picture(1), "?contrast=regression&target=2&value=%s&outputs=raw" % value))
            self.assertEqual((a["value"], a["target"]["index"], a["why_not"]), (value, 2, []))
            cam = self.good(self.d.explain(picture(1), "?target=2&outputs=raw"))["maps"][0]
            self.assertAlmostEqual(a["maps"][0]["score"], 2 * (a["target"]["logit"] - value) * a["target"]["logit"], delta=1e-4)
            self.assertEqual(cam["contrast"], "logit")
        self.assertEqual(self.good(self.d.explain(picture(1), "?value=1"))["maps"][0]["contrast"], "regression")
        equal = self.good(self.d.ask({"image": {"b64": b64(picture(1))}, "value": a["target"]["logit"], "target": 2}))["maps"][0]
        self.assertTrue(equal["flat"])
        self.problem(self.d.explain(picture(1), "?contrast=regression"), 400, "BAD_REQUEST", "/value")
        self.problem(self.d.explain(picture(1), "?contrast=weighted&value=1"), 400, "BAD_REQUEST", "/value")
        for value in ("one", "inf", "nan", "1e99", ""):
            self.assertEqual(self.d.explain(picture(1), "?contrast=regression&value=" + value).status, 400)

    def test_runner_up_with_its_own_map(self):
        a = self.good(self.d.explain(picture(1), "?contrast=pair&maps=contrast,rival"))
        self.assertEqual([m["kind"] for m in a["maps"]], ["contrast", "rival"])
        self.assertEqual(a["maps"][1]["class"]["index"], a["predictions"][1]["index"])

    def test_every_contrast_and_method_of_the_tables_answers(self):
        contrasts = self.d.get("/v1/contrasts").json["contrasts"]
        for c in contrasts:
            for m in self.d.get("/v1/methods").json["methods"]:
                rivals = "&why_not=auto:2" if c["why_not"] != "none" else "&value=0.5" if c["wants_value"] else ""
                if c["methods"] == "relevance" and not m["relevance"]:
                    p = self.problem(self.d.explain(picture(1), "?contrast=%s&method=%s" % (c["name"], quote(m["name"]))), 400, "BAD_REQUEST", "/contrast")
                    self.assertIn(m["name"], p["detail"])
                    continue
                if m["name"] == "eigencam" and c["name"] != "logit":  # it looks at no class
                    answer = self.d.explain(picture(1), "?contrast=%s&method=eigencam%s" % (c["name"], rivals))
                    self.assertIn("eigencam", self.problem(answer, 400, "BAD_REQUEST")["detail"])
                    continue
                if m["name"] == "pertinent-positive" and c["wants_value"]:  # a number that might have been is no rival
                    answer = self.d.explain(picture(1), "?contrast=%s&method=%s%s" % (c["name"], m["name"], rivals))
                    self.assertIn(c["name"], self.problem(answer, 400, "BAD_REQUEST")["detail"])
                    continue
                a = self.good(self.d.explain(picture(1), "?contrast=%s&method=%s%s" % (c["name"], quote(m["name"]), rivals)))
                self.assertEqual((a["maps"][0]["contrast"], a["maps"][0]["method"]), (c["name"], m["name"]))
                self.assertEqual(a["maps"][0]["layer"], "relu1" if m["explains"] == "a layer" else "input")

    def test_a_set_of_rivals_and_of_targets(self):
        a = self.good(self.d.ask({"image": {"b64": b64(picture(1))}, "contrast": "subset", "target": [0, 1], "why_not": ["stop", 9]}))
        self.assertEqual(len(a["maps"]), 1)
        self.assertEqual([t["index"] for t in a["targets"]], [0, 1])
        self.assertEqual(a["target"], a["targets"][0])

    def test_the_tensors_behind_a_layer(self):
        layers = self.d.get("/v1/models/tiny/layers").json
        of = next(x for x in layers["layers"] if x["name"] == "relu1")
        self.assertEqual((of["pre_activation"], of["raw_conv"]), ("conv1", "conv1"))
        maps = {v: self.good(self.d.explain(picture(1), "?outputs=raw&layer_variant=" + v))["maps"][0] for v in ("as-named", "pre-activation", "raw-conv")}
        self.assertEqual([maps[v]["layer"] for v in maps], ["relu1", "conv1", "conv1"])
        self.assertEqual(maps["raw-conv"], self.good(self.d.explain(picture(1), "?outputs=raw&layer=conv1"))["maps"][0])
        self.problem(self.d.explain(picture(1), "?layer_variant=pre-activation&layer=conv1"), 400, "BAD_REQUEST", "/layer_variant")
        self.problem(self.d.explain(picture(1), "?layer_variant=raw"), 400, "BAD_REQUEST", "/layer_variant")

    def test_any_layer_by_name(self):
        a = self.good(self.d.explain(picture(1), "?layer=relu0&outputs=raw"))
        self.assertEqual(a["maps"][0]["layer"], "relu0")
        self.assertEqual(a["warnings"], [])
        for layer, warnings in (("relu0", 1), ("auto", 0), (self.d.get("/v1/models/tiny/layers").json["layers"][0]["name"], 0)):
            a = self.good(self.d.explain(picture(1), "?method=ixg&layer=" + quote(layer)))
            self.assertEqual((a["maps"][0]["layer"], len(a["warnings"])), ("input", warnings), a["warnings"])
        p = self.problem(self.d.explain(picture(1), "?layer=nope"), 404, "NO_SUCH_LAYER", "/layer")
        self.assertIn("/v1/models/tiny/layers", p["detail"])

    def test_display_fields(self):
        query = "?colormap=jet&normalize=minmax&align_corners=true&relu=1&overlay=0.3&outputs=heatmap,overlay,bbox,raw"
        (m,) = self.good(self.d.explain(picture(1), query))["maps"]
        self.assertEqual(m["colormap"], "jet")
        self.assertEqual(daemon.read_png(base64.b64decode(m["overlay"]))[:3], (24, 20, 2))
        (a,) = self.good(self.d.explain(picture(1), "?normalize=minmax"))["maps"]
        (b,) = self.good(self.d.explain(picture(1), "?normalize=minmax&align_corners=true"))["maps"]
        self.assertNotEqual(a["data"], b["data"])

    def test_shared_range_is_one_for_all_maps(self):
        maps = self.good(self.d.explain(picture(1), "?why_not=auto:4&normalize=shared&outputs=heatmap,raw"))["maps"]
        values = [v for m in maps for v in asking.raw_map(m)]
        for m in maps:
            self.assertAlmostEqual(m["range"][0], min(values), delta=0.1 * abs(min(values)))  # enlarged maps reach a little less far
            self.assertAlmostEqual(m["range"][1], max(values), delta=0.1 * abs(max(values)))
        self.assertEqual(len({tuple(m["range"]) for m in maps}), 1)
        own = self.good(self.d.explain(picture(1), "?why_not=auto:4"))["maps"]
        self.assertGreater(len({tuple(m["range"]) for m in own}), 1)

    # ---- content types ----

    def test_form_json_and_raw_body_give_the_same_maps(self):
        want = self.good(self.d.explain(picture(3), "?target=1&why_not=0&outputs=heatmap,raw"))["maps"]
        body, headers = asking.form(("target", b"1"), ("image", picture(3)), ("why_not", b"0"), ("outputs", b"heatmap,raw"))
        by_form = self.good(self.d.request("POST", "/v1/models/tiny/explain", body, headers))["maps"]
        by_json = self.good(self.d.ask({"image": {"b64": b64(picture(3))}, "target": 1, "why_not": 0, "outputs": ["heatmap", "raw"]}))["maps"]
        octets = self.good(self.d.explain(picture(3), "?target=1&why_not=0&outputs=heatmap,raw", Content_Type="application/octet-stream"))
        self.assertEqual(by_form, want)
        self.assertEqual(by_json, want)
        self.assertEqual(octets["maps"], want)

    def test_null_counts_as_left_out(self):
        question = {"image": {"b64": b64(picture(3))}, "target": 1, "why_not": 0}
        want = self.good(self.d.ask(question))["maps"]
        document = self.d.request("GET", "/openapi.json").json
        fields = sorted(document["components"]["schemas"]["Question"]["properties"])
        self.assertGreater(len(fields), 30)
        for field in fields:
            if field in question:
                continue
            self.assertEqual(self.good(self.d.ask(dict(question, **{field: None})))["maps"], want, field)
        self.problem(self.d.ask(dict(question, image=None)), 400, "BAD_REQUEST", "/image")
        self.problem(self.d.ask(dict(question, colour=None)), 400, "BAD_REQUEST", "/colour")
        top = self.good(self.d.ask(dict(question, target=None, why_not=None)))
        self.assertEqual(top["maps"], self.good(self.d.explain(picture(3)))["maps"])
        one = self.good(self.d.ask({"target": 1, "instances": [{"image": question["image"], "target": None, "why_not": 0}]}))["explanations"][0]
        self.assertEqual(one["maps"], want)
        self.assertEqual(self.good(self.d.ask({"image": question["image"], "target": None, "why_not": 0}, "/v1/models/tiny/explain?target=1"))["maps"], want)

    def test_model_in_the_question(self):
        question = {"image": {"b64": b64(picture(3))}, "model": "other"}
        self.assertEqual(self.good(self.d.ask(question, "/v1/explain"))["model"]["name"], "other")
        self.problem(self.d.ask({"image": question["image"]}, "/v1/explain"), 400, "BAD_REQUEST", "/model")
        self.problem(self.d.ask(question), 400, "BAD_REQUEST", "/model")
        p = self.problem(self.d.ask(dict(question, model="othr"), "/v1/explain"), 404, "NO_SUCH_MODEL", "/model")
        self.assertEqual(p["did_you_mean"], ["other"])

    def test_base64_with_escaped_slashes(self):
        text = '{"image":{"b64":"%s"}}' % b64(picture(3)).replace("/", "\\/")
        self.assertIn("\\/", text)
        a = self.d.request("POST", "/v1/models/tiny/explain", text, {"Content-Type": "application/json"})
        self.assertEqual(self.good(a)["maps"], self.good(self.d.explain(picture(3)))["maps"])

    def test_picture_and_array_by_accept(self):
        a = self.d.explain(picture(1), Accept="image/png")
        self.assertEqual((a.status, a.headers["Content-Type"]), (200, "image/png"))
        (m,) = self.good(self.d.explain(picture(1)))["maps"]
        self.assertEqual(b64(a.body), m["data"])
        a = self.d.explain(picture(1), "?outputs=overlay", Accept="image/png")
        self.assertEqual(daemon.read_png(a.body)[2], 2)
        a = self.d.explain(picture(1), Accept="application/x-npy")
        self.assertEqual((a.headers["Content-Type"], a.body[:6]), ("application/x-npy", b"\x93NUMPY"))
        (m,) = self.good(self.d.explain(picture(1), RAW))["maps"]
        self.assertEqual(a.body[-16 * 16 * 4:], base64.b64decode(m["raw"]["data"]))
        self.assertIn(b"(3, 16, 16)", self.d.explain(picture(1), "?why_not=auto:3", Accept="application/x-npy").body[:128])
        for accept in ("*/*", "text/html, application/json;q=0.9", "image/png;q=0.1, application/json"):
            self.assertEqual(self.d.explain(picture(1), Accept=accept).headers["Content-Type"], "application/json", accept)


class ExplainInLargeBatches(Explain):
    options = asking.LARGE_BATCHES


class RealModels(unittest.TestCase):
    """The networks of WHYNOT_ASSETS, where they are there: the prediction of a photograph that they are known to get right."""

    def test_real_networks_name_what_is_in_the_photograph(self):
        assets = os.environ.get("WHYNOT_ASSETS")
        if not assets:
            self.skipTest("WHYNOT_ASSETS is not set")
        import asset_models
        with tempfile.TemporaryDirectory() as folder:
            asset_models.write(assets, folder, ["resnet18", "cifar_resnet20"])
            with daemon.Daemon(folder) as d, open(os.path.join(assets, "images/n01443537_goldfish.JPEG"), "rb") as f:
                photo = f.read()
                a = d.explain(photo, "?why_not=auto:1&outputs=heatmap,overlay", "resnet18", Content_Type="image/jpeg").json
                self.assertIn("goldfish", a["predictions"][0]["label"])
                size = a["image"]["width"], a["image"]["height"]
                self.assertEqual(daemon.read_png(base64.b64decode(a["maps"][0]["overlay"]))[:2], size)
                p = d.explain(photo, "", "cifar_resnet20", Content_Type="image/jpeg")
                self.assertEqual((p.status, p.json["code"]), (400, "BAD_REQUEST"))  # takes 32 x 32 only


if __name__ == "__main__":
    unittest.main()
