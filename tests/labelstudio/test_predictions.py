"""The daemon as a machine learning backend of Label Studio: what it answers, held against the answers of /v1/explain."""
import json
import tempfile
import time
import unittest
from xml.sax.saxutils import quoteattr

from studio import Case, annotation, fill, labeling, mask_of, overlap, task, uri
import daemon
from daemon import LABELS, b64, picture


class Predictions(Case):
    OPTIONS = ("--labeling-model", "tiny")

    def test_health_and_setup(self):
        a = self.d.get("/health")
        self.assertEqual((a.status, a.json["status"]), (200, "UP"))
        begin = time.monotonic()
        secret = "token-that-nobody-shall-see"
        a = self.post("/setup", {"project": "3.17", "schema": labeling(), "hostname": "http://localhost:8080", "access_token": secret, "extra_params": None})
        print("setup took %.4f s (0.3 s is what Label Studio's users wait for; not judged)" % (time.monotonic() - begin))
        self.assertEqual((a.status, a.json["notes"]), (200, []))
        self.assertRegex(a.json["model_version"], r"^tiny-1-[0-9a-f]{8}-[0-9a-f]{8}$")
        self.assertEqual(self.predict([task(uri(picture(1)))])[0]["model_version"], a.json["model_version"])
        self.assertNotIn(secret, self.d.errors())

    def test_another_preprocessing_is_another_version(self):
        """Label Studio keeps what a version predicted."""
        said = set()
        for mean in (0.5, 0.4):
            with tempfile.TemporaryDirectory() as folder:
                daemon.write_model(folder, "tiny", daemon.tiny_onnx.classifier(seed=1), daemon.LABELS, 16, input={"size": [16, 16], "mean": [mean] * 3, "std": [0.25] * 3})
                with daemon.Daemon(folder, *self.OPTIONS) as d:
                    said.add(self.post("/setup", {"project": "3", "schema": labeling()}, d=d).json["model_version"])
        self.assertEqual(len(said), 2, said)

    def test_setup_names_what_does_not_fit(self):
        for config, words in (("", ["<Image>", "<Choices>", "<BrushLabels>"]), (labeling(["stop", "yeld"]), ["'yeld' is no class", "did you mean 'yield'", "11 classes"]),
                              (labeling(regions=()), ["evidence cannot be drawn"])):
            a = self.post("/setup", {"project": "3", "schema": config})
            self.assertEqual(a.status, 200)
            for word in words:
                self.assertIn(word, " ".join(a.json["notes"]))
        for body in ({"schema": 3}, {"schema": "<View>"}, [], {"schema": "<!DOCTYPE a [<!ENTITY b 'c'>]><View/>"}):
            self.assertEqual(self.post("/setup", body).status, 400, body)

    def test_webhooks_are_heard(self):
        for action in ("ANNOTATION_CREATED", "START_TRAINING", "PROJECT_UPDATED"):
            a = self.post("/webhook", {"action": action, "project": {"id": 3, "label_config": "<View/>"}, "annotation": annotation("stop"), "task": task("x")})
            self.assertEqual((a.status, a.json), (200, {"status": "ok"}))
        for body in ({}, [], {"action": 3}, "{", ""):
            self.assertEqual(self.post("/webhook", body).status, 400)

    def test_without_an_annotation_the_prediction_and_why(self):
        for seed in range(1, 5):
            mask, label = self.strongest(picture(seed), "")
            p = self.predict([task(uri(picture(seed)))])[0]
            self.assertEqual((self.choice(p), p["notes"]), (label, []))
            (region,) = self.regions(p)
            self.assertEqual(mask_of(region), mask)
            self.assertEqual(region["value"]["brushlabels"], ["for the prediction"])
            self.assertEqual((region["original_width"], region["original_height"]), (24, 20))
            self.assertEqual(region["meta"], {"text": ["speaks for %s, the prediction: %s" % (label, self.share(picture(seed)))]})

    def test_an_annotation_that_differs_gets_both_sides(self):
        cases = [(seed, label, said) for seed in range(1, 5) for label, found in [self.others(picture(seed))] for said in found[:2]]
        self.assertGreater(len(cases), 3)
        for seed, label, said in cases:
            p = self.predict([task(uri(picture(seed)), annotation(said))])[0]
            self.assertEqual(self.choice(p), label)
            theirs, models = self.regions(p)
            numbers = "target=%d&why_not=%d" % (LABELS.index(said), LABELS.index(label))
            self.assertEqual(mask_of(theirs), self.strongest(picture(seed), numbers)[0])
            shares = [self.share(picture(seed), numbers)]
            numbers = "target=%d&why_not=%d" % (LABELS.index(label), LABELS.index(said))
            self.assertEqual(mask_of(models), self.strongest(picture(seed), numbers)[0])
            shares.append(self.share(picture(seed), numbers))
            self.assertEqual([r["value"]["brushlabels"] for r in (theirs, models)], [["for the label"], ["for the prediction"]])
            self.assertEqual(theirs["meta"]["text"], ["speaks for %s, the annotation, rather than %s, the prediction: %s" % (said, label, shares[0])])
            self.assertEqual(models["meta"]["text"], ["speaks for %s, the prediction, rather than %s, the annotation: %s" % (label, said, shares[1])])

    def test_where_nothing_speaks_for_the_annotation_that_is_said(self):
        label, found = self.others(picture(1))
        said = [x for x in LABELS if x not in found + [label]]
        self.assertTrue(said)
        p = self.predict([task(uri(picture(1)), annotation(said[0]))])[0]
        self.assertEqual(len(self.regions(p)), 1)
        self.assertIn("nothing in the picture speaks for", p["notes"][0])

    def test_an_annotation_that_agrees_gets_why_not_the_runner_up(self):
        mask, label = self.strongest(picture(2), "why_not=auto:1")
        runner_up = self.d.explain(picture(2)).json["predictions"][1]["label"]
        p = self.predict([task(uri(picture(2)), annotation(label))])[0]
        (region,) = self.regions(p)
        self.assertEqual(mask_of(region), mask)
        self.assertEqual((self.choice(p), region["value"]["brushlabels"]), (label, ["for the prediction"]))
        self.assertEqual(region["meta"]["text"], ["speaks for %s, the prediction, rather than %s: %s" % (label, runner_up, self.share(picture(2), "why_not=auto:1"))])

    def test_which_annotation_counts(self):
        label, (a, b, *_) = self.others(picture(1))
        brush = {"id": "r", "type": "brushlabels", "from_name": "evidence", "to_name": "img", "value": {"format": "rle", "rle": [0] * 99, "brushlabels": ["for the label"]}}
        foreign = dict(annotation(b)["result"][0], from_name="another")
        for annotations, drafts, context, wanted in (
                ([annotation(b), annotation(a)], [], None, a), ([annotation(a), annotation(b, was_cancelled=True)], [], None, a), ([], [annotation(a)], None, a),
                ([annotation(a)], [annotation(b)], None, a), ([{"id": 1, "result": [brush]}, annotation(a), {"id": 2, "result": [brush, foreign]}], [], None, a),
                ([annotation(b)], [], {"result": annotation(a)["result"]}, a), ([annotation(label)], [annotation(b)], None, None)):
            p = self.predict([task(uri(picture(1)), *annotations, drafts=drafts)], context=context)[0]
            self.assertEqual(len(self.regions(p)), 2 if wanted else 1)
            if wanted:
                self.assertIn("speaks for %s, the annotation" % wanted, self.regions(p)[0]["meta"]["text"][0])

    def test_labels_are_found_by_what_they_say(self):
        label, (said, *_) = self.others(picture(1))
        for word in (said, said.upper(), said.replace(" ", "_"), "  " + said.replace(" ", "--") + " "):
            p = self.predict([task(uri(picture(1)), annotation(word))], labeling([x.title().replace(" ", "-") for x in LABELS]))[0]
            self.assertEqual(self.choice(p), label.title().replace(" ", "-"))
            self.assertIn("speaks for %s, the annotation" % said, self.regions(p)[0]["meta"]["text"][0])
        aliased = "<View><Image name='img' value='$image'/><Choices name='label' toName='img'>%s</Choices></View>" % "".join(
            "<Choice value=%s alias='c%d'/>" % (quoteattr(x), i) for i, x in enumerate(LABELS))
        self.assertEqual(self.choice(self.predict([task(uri(picture(1)))], aliased)[0]), "c%d" % LABELS.index(label))

    def test_a_label_that_is_no_class_is_named_with_the_nearest(self):
        label = self.strongest(picture(1), "")[1]
        p = self.predict([task(uri(picture(1)), annotation("speed limt 30"))])[0]
        self.assertEqual((self.choice(p), len(self.regions(p))), (label, 1))
        self.assertIn("'speed limt 30' is no class of the model tiny; did you mean 'speed limit 30'", p["notes"][0])
        p = self.predict([task(uri(picture(1)), annotation("qqq"))])[0]
        self.assertEqual(p["notes"], ["the annotation's label 'qqq' is no class of the model tiny"])
        said = self.others(picture(1))[1][0]
        p = self.predict([task(uri(picture(1)), annotation(said, label))])[0]
        self.assertIn("2 labels", p["notes"][0])
        p = self.predict([task(uri(picture(1)))], labeling([said]))[0]
        self.assertEqual([r["type"] for r in p["result"]], ["brushlabels"])
        self.assertIn("no choice '%s'" % label, p["notes"][0])

    def test_regions_may_be_labelled_with_classes_or_with_one_label(self):
        label, (said, *_) = self.others(picture(1))
        p = self.predict([task(uri(picture(1)), annotation(said))], labeling(regions=LABELS))[0]
        self.assertEqual([r["value"]["brushlabels"] for r in self.regions(p)], [[said], [label]])
        p = self.predict([task(uri(picture(1)), annotation(said))], labeling(regions=["evidence"]))[0]
        self.assertEqual([r["value"]["brushlabels"] for r in self.regions(p)], [["evidence"], ["evidence"]])
        p = self.predict([task(uri(picture(1)), annotation(said))], labeling(regions=[said]))[0]
        self.assertEqual([r["value"]["brushlabels"] for r in self.regions(p)], [[said]])
        self.assertIn("no label of the regions means '%s'" % label, p["notes"][0])
        only = labeling().replace("Choices", "Ignored").replace("Choice ", "Left ")
        p = self.predict([task(uri(picture(1)), annotation(said))], only)[0]
        self.assertEqual([r["type"] for r in p["result"]], ["brushlabels"])

    def test_polygons_where_the_project_has_them(self):
        for seed in range(1, 5):
            for annotations in ((), (annotation(self.others(picture(seed, 60, 50))[1][0]),)):
                t = [task(uri(picture(seed, 60, 50)), *annotations)]
                brush, polygons = self.predict(t)[0], self.predict(t, labeling(tag="PolygonLabels"))[0]
                self.assertEqual(self.choice(brush), self.choice(polygons))
                for region in self.regions(brush):
                    same = [r for r in self.regions(polygons) if r["meta"] == region["meta"]]
                    self.assertTrue(same and all(r["value"]["closed"] is True for r in same))
                    filled = [[any(v) for v in zip(*rows)] for rows in zip(*(fill(r["value"]["points"], 60, 50) for r in same))]
                    self.assertGreater(overlap(filled, mask_of(region)), 0.7)  # polygons have no holes, and leave specks out

    def test_large_and_odd_pictures(self):
        for w, h in ((1, 1), (3, 200), (1100, 300), (300, 1203)):
            image = picture(3, w, h)
            p = self.predict([task(uri(image))])[0]
            (region,) = self.regions(p)
            self.assertEqual((region["original_width"], region["original_height"]), (w, h))
            # above 1024 pixels a side it is drawn smaller and stretched; in these flat maps the strongest fifth is then another by a little
            self.assertGreater(overlap(mask_of(region), self.strongest(image, "")[0]), 0.8 if max(w, h) > 1024 else 0.9999)

    def test_25_tasks_in_one_predict(self):
        before = self.d.metric('whynot_explanations_total{method="gradcam",contrast="pair"}')
        tasks = [task(uri(picture(i % 12, 24 + i, 20)), *([annotation(LABELS[i % 12])] if i % 2 else []), id=i) for i in range(25)]
        begin = time.monotonic()
        together = self.predict(tasks)
        print("25 tasks took %.3f s (not judged)" % (time.monotonic() - begin))
        self.assertEqual(self.d.metric('whynot_explanations_total{method="gradcam",contrast="pair"}') - before, 12)
        for i in (0, 1, 7, 23, 24):
            self.assertEqual(together[i], self.predict([tasks[i]])[0])
        self.assertEqual(len({json.dumps(p["result"]) for p in together}), 25)

    def test_what_label_studio_sends_back_of_earlier_predictions_is_no_burden(self):
        long = [{"result": [{"type": "brushlabels", "value": {"rle": list(range(256)) * 100, "format": "rle"}}]} for _ in range(3)]
        drawn = annotation(self.others(picture(1))[1][0])
        drawn["result"] += [{"type": "brushlabels", "from_name": "evidence", "value": {"rle": [0, 255] * 20000, "brushlabels": ["x"]}},
                            {"type": "polygonlabels", "value": {"points": [[1.5, 2.5]] * 9000}}]
        tasks = [task(uri(picture(1)), drawn, predictions=long) for _ in range(25)]
        self.assertTrue(all(len(self.regions(p)) == 2 for p in self.predict(tasks)))

    def test_pictures_come_as_data_uri_or_base64(self):
        wanted = self.predict([task(uri(picture(1)))])[0]
        plain = b64(picture(1))
        for value in (plain, {"b64": plain}, "data:;base64," + plain, "data:image/png;charset=utf-8;BASE64," + plain):
            self.assertEqual(self.predict([task(value)])[0], wanted)
        body = json.dumps({"tasks": [task(uri(picture(1)))], "label_config": labeling()}).replace("/", "\\/")
        self.assertEqual(self.post("/predict", body).json["results"][0], wanted)
        other = self.predict([dict(task(""), data={"photo": plain})], labeling(key="photo"))[0]
        self.assertEqual(other, wanted)

    def test_the_model_of_the_address(self):
        config = labeling(["a", "b", "c", "d"])
        path = "/v1/models/other/label-studio/"
        a = self.post(path + "setup", {"schema": config})
        self.assertEqual((a.status, a.json["notes"], a.json["model_version"][:8]), (200, [], "other-1-"))
        self.assertIn(self.choice(self.predict([task(uri(picture(1)))], config, path + "predict")[0]), "abcd")
        self.assertEqual(self.d.get(path + "health").status, 200)
        self.assertEqual(self.post(path + "webhook", {"action": "X"}).status, 200)
        a = self.post("/v1/models/othr/label-studio/setup", {"schema": config})
        self.assertEqual((a.status, a.json["did_you_mean"]), (404, ["other"]))


if __name__ == "__main__":
    unittest.main()
