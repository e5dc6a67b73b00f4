"""The daemon as a machine learning backend of Label Studio, held against the shapes that its documentation gives for predictions, with a decoder of
brush masks written here from the format's description. Standard library only."""
import base64
import json
import os
import socket
import sys
import tempfile
import time
import unittest
from xml.sax.saxutils import quoteattr

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import daemon  # noqa: E402
from daemon import LABELS, b64, picture  # noqa: E402
from test_large import DECODED, large  # noqa: E402

JSON = {"Content-Type": "application/json"}
KEYS = {"brushlabels": {"format", "rle", "brushlabels"}, "polygonlabels": {"points", "closed", "polygonlabels"}, "choices": {"choices"}}


def uri(data, kind="png"):
    return "data:image/%s;base64,%s" % (kind, b64(data))


def labeling(labels=LABELS, regions=("for the label", "for the prediction"), tag="BrushLabels", key="image"):
    choices = "".join("<Choice value=%s/>" % quoteattr(x) for x in labels)
    inner = "".join("<Label value=%s background='#d6604d'/>" % quoteattr(x) for x in regions)
    return ('<View>\n  <Image name="img" value="$%s" zoom="true"/>\n  <Choices name="label" toName="img" choice="single">%s</Choices>\n'
            '  <%s name="evidence" toName="img">%s</%s>\n</View>' % (key, choices, tag, inner, tag))


def annotation(*labels, **more):
    result = {"id": "abc", "type": "choices", "from_name": "label", "to_name": "img", "value": {"choices": list(labels)}}
    return dict({"id": 1, "result": [result], "was_cancelled": False, "ground_truth": False, "lead_time": 4.2}, **more)


def task(image, *annotations, **more):
    """As Label Studio sends it, with fields that nobody reads here."""
    return dict({"id": 7, "data": {"image": image}, "meta": {}, "created_at": "2024-01-01T00:00:00Z", "is_labeled": bool(annotations), "project": 3,
                 "annotations": list(annotations), "predictions": [], "drafts": []}, **more)


class Bits:
    """Numbers of so many bits, the highest first, from a list of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, n):
        v = 0
        for _ in range(n):
            v = v * 2 + (self.data[self.at // 8] >> (7 - self.at % 8) & 1)
            self.at += 1
        return v


def decode_rle(data):
    """A brush's run lengths to values: 32 bits how many, 5 bits their size - 1, four times 4 bits sizes of lengths - 1; then, until there are enough, a bit
    whether one value repeats, 2 bits which size, the length - 1, and the value or that many values."""
    bits = Bits(data)
    n, word = bits.read(32), bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    out = []
    while len(out) < n:
        repeats, size = bits.read(1), sizes[bits.read(2)]
        length = bits.read(size) + 1
        out += [bits.read(word)] * length if repeats else [bits.read(word) for _ in range(length)]
    assert len(out) == n and len(data) * 8 - bits.at < 8, (len(out), n, len(data) * 8 - bits.at)
    return out


def mask_of(result):
    """A brush region's rows of booleans."""
    w, h, values = result["original_width"], result["original_height"], decode_rle(result["value"]["rle"])
    assert len(values) == 4 * w * h and set(values) <= {0, 255}
    assert all(values[i::4] == values[3::4] for i in range(3))
    alpha = values[3::4]
    return [[v > 0 for v in alpha[y * w:(y + 1) * w]] for y in range(h)]


def coco_mask(rle):
    """The rows of a mask of /v1/explain: run lengths, column after column, those outside first."""
    h, w = rle["size"]
    flat = []
    for i, n in enumerate(rle["counts"]):
        flat += [i % 2 == 1] * n
    return [[flat[x * h + y] for x in range(w)] for y in range(h)]


def fill(points, w, h):
    """The pixels whose middle lies within the polygon; points are hundredths of the sides."""
    points = [(x * w / 100, y * h / 100) for x, y in points]
    rows = []
    for y in range(h):
        crossings = sorted((bx - ax) * (y + .5 - ay) / (by - ay) + ax for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1])
                           if (ay > y + .5) != (by > y + .5))
        rows.append([sum(c > x + .5 for c in crossings) % 2 == 1 for x in range(w)])
    return rows


def overlap(a, b):
    both = sum(p and q for r, s in zip(a, b) for p, q in zip(r, s))
    return both / max(1, sum(p or q for r, s in zip(a, b) for p, q in zip(r, s)))


class Case(unittest.TestCase):
    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.models = os.path.join(cls.folder.name, "models")
        os.mkdir(cls.models)
        daemon.tiny_models(cls.models)
        cls.prepare()
        cls.d = daemon.Daemon(cls.models, *cls.OPTIONS).__enter__()

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()

    def post(self, path, body, headers=JSON, d=None):
        return (d or self.d).request("POST", path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers)

    def predict(self, tasks, config=None, path="/predict", **more):
        """The body as Label Studio sends it; the predictions, whose shape is checked."""
        body = {"tasks": tasks, "project": "3.1700000000", "label_config": config or labeling(),
                "params": {"login": None, "password": None, "hostname": "http://localhost:8080", "context": None}}
        body["params"].update(more)
        a = self.post(path, body)
        self.assertEqual(a.status, 200, a.body[:500])
        self.assertEqual(len(a.json["results"]), len(tasks))
        for p in a.json["results"]:
            self.check_prediction(p)
        return a.json["results"]

    def check_prediction(self, p):
        """The shape that Label Studio's documentation gives for predictions, and what its importer wants."""
        self.assertIsInstance(p["result"], list)
        self.assertTrue(p["score"] is None or 0 <= p["score"] <= 1)
        self.assertTrue(isinstance(p["model_version"], str) and p["model_version"])
        ids = [r["id"] for r in p["result"]]
        self.assertEqual(len(ids), len(set(ids)))
        for r in p["result"]:
            self.assertRegex(r["id"], r"^[\w-]{6,24}$")
            self.assertIn(r["type"], KEYS)
            self.assertEqual(r["to_name"], "img")
            self.assertEqual(r["from_name"], "label" if r["type"] == "choices" else "evidence")
            self.assertEqual(set(r["value"]), KEYS[r["type"]])
            self.assertTrue(all(isinstance(x, str) for x in r["value"][r["type"]]) and len(r["value"][r["type"]]) == 1)
            self.assertTrue(0 <= r["score"] <= 1)
            if r["type"] == "choices":
                continue
            self.assertEqual(r["image_rotation"], 0)
            self.assertTrue(r["original_width"] > 0 and r["original_height"] > 0)
            if r["type"] == "brushlabels":
                self.assertEqual(r["value"]["format"], "rle")
                self.assertTrue(all(isinstance(v, int) and 0 <= v <= 255 for v in r["value"]["rle"]))
            else:
                self.assertGreaterEqual(len(r["value"]["points"]), 3)
                self.assertTrue(all(len(xy) == 2 and 0 <= min(xy) and max(xy) <= 100 for xy in r["value"]["points"]))

    def choice(self, p):
        return [r["value"]["choices"][0] for r in p["result"] if r["type"] == "choices"][0]

    def regions(self, p):
        return [r for r in p["result"] if r["type"] != "choices"]

    def strongest(self, image, query, model="tiny"):
        """The strongest pixels of /v1/explain for that question, and its prediction."""
        a = self.d.explain(image, "?outputs=rle&" + query, model).json
        return coco_mask(a["maps"][0]["rle"]), a["predictions"][0]["label"]

    def share(self, image, query=""):
        """How much of the evidence speaks for the class of that question, in the words of a region."""
        share = self.d.explain(image, "?outputs=raw&" + query).json["maps"][0]["share_positive"]
        return "%.0f %% of the evidence" % (100 * share) if share >= 0.01 else "less than 1 % of the evidence"

    def others(self, image):
        """(The prediction, labels that something in the picture speaks for, and something against, rather than for the prediction.)"""
        label, found = self.strongest(image, "")[1], []
        for i, said in enumerate(LABELS):
            m = {} if said == label else self.d.explain(image, "?outputs=raw&target=%d&why_not=%d" % (i, LABELS.index(label))).json["maps"][0]
            if m and m["mass_positive"] > 0 and m["mass_negative"] > 0:
                found.append(said)
        return label, found


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
        self.assertRegex(a.json["model_version"], r"^tiny-1-[0-9a-f]{8}$")
        self.assertEqual(self.predict([task(uri(picture(1)))])[0]["model_version"], a.json["model_version"])
        self.assertNotIn(secret, self.d.errors())

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

    def test_a_bad_task_fails_alone(self):
        good = task(uri(picture(1)))
        bad = [(task("data:image/png," + b64(picture(1))), 422), (task("data:image/png;base64,!!!!"), 422), (task(uri(b"GIF89a....")), 415), (task(uri(picture(1)[:60])), 422),
               (task(""), 400), (task(None), 400), (task(5), 400), (task(["x"]), 400), (task({"b64": 5, "x": 1}), None), (task({"url": "http://x"}), 422), ({}, 400), ([], 400), (3, 400),
               (None, 400), ({"data": []}, 400), ({"data": {}}, 400), (task("data:7"), 422), (task("\x01"), 400), (task("data:"), 422), (task("a/b.png"), 400)]
        for one, status in bad:
            a = self.post("/predict", {"tasks": [good, one, good], "label_config": labeling()})
            if status is None:
                self.assertEqual(a.status, 400)
                continue
            self.assertEqual(a.status, 200, a.body[:300])
            first, failed, last = a.json["results"]
            self.check_prediction(failed)
            self.assertEqual((first, first), (last, self.predict([good])[0]))
            self.assertEqual((failed["problem"]["status"], failed["result"], failed["score"]), (status, [], None), one)
            self.assertNotEqual(failed["model_version"], first["model_version"])  # or Label Studio would not ask again

    def test_malformed_annotations_do_no_harm(self):
        plain = self.predict([task(uri(picture(1)))])[0]
        for annotations in (None, 3, "x", {}, [None], [3], [{}], [{"result": None}], [{"result": "x"}], [{"result": [None, 3, [], {}]}], [{"result": [{"type": "choices"}]}],
                            [{"result": [{"type": "choices", "from_name": "label", "value": []}]}], [{"result": [{"type": "choices", "from_name": "label", "value": {"choices": "stop"}}]}],
                            [{"result": [{"type": "choices", "from_name": "label", "value": {"choices": []}}]}], [{"result": [{"type": "choices", "from_name": "label", "value": {"choices": [3]}}]}],
                            [{"result": [{"type": "choices", "from_name": 3, "value": {"choices": [None]}}]}]):
            self.assertEqual(self.predict([dict(task(uri(picture(1))), annotations=annotations)])[0], plain, annotations)

    def test_malformed_bodies_are_refused(self):
        good = {"tasks": [task(uri(picture(1)))], "label_config": labeling()}
        bad = [{}, [], "{", "", "null", dict(good, tasks=[]), dict(good, tasks={}), dict(good, tasks="x"), dict(good, label_config=""), dict(good, label_config=3), dict(good, label_config="<View>"),
               dict(good, label_config="<View/>"), dict(good, label_config="<View><Image name='a' value='$b'/></View>"), dict(good, label_config=labeling().replace("$image", "image")),
               dict(good, tasks=good["tasks"] * 65), dict(good, label_config="<View>" + "<a/>" * 80000 + "</View>")]
        for body in bad:
            a = self.post("/predict", body)
            self.assertEqual((a.status, a.headers["Content-Type"]), (400, "application/problem+json"), a.body[:300])
        self.assertIn("--max-instances", self.post("/predict", dict(good, tasks=good["tasks"] * 65)).json["detail"])
        self.assertEqual(self.post("/predict?x=1", good).status, 400)
        for path in ("/predict", "/setup", "/webhook"):
            self.assertEqual(self.post(path, good, {"Content-Type": "text/plain"}).status, 415)
            self.assertEqual(self.d.get(path).status, 405)
        self.assertEqual(self.predict(good["tasks"])[0]["notes"], [])

    def test_addresses_are_never_fetched(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            s.settimeout(0.2)
            port = s.getsockname()[1]
            for address in ("http://127.0.0.1:%d/a.png" % port, "//127.0.0.1:%d/a.png" % port, "https://localhost:%d/a.png" % port, "ftp://127.0.0.1:%d/" % port, "file:///etc/passwd", "s3://bucket/a.png"):
                p = self.predict([task(address)])[0]
                self.assertEqual(p["problem"]["status"], 400)
                for word in (address, "fetches nothing", "data URI", "--labeling-folder"):
                    self.assertIn(word, p["problem"]["detail"])
            with self.assertRaises(TimeoutError):
                s.accept()

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

    def test_with_several_models_one_must_be_named(self):
        with daemon.Daemon(self.models) as d:
            for path, body in (("/setup", {"schema": ""}), ("/predict", {"tasks": [task(uri(picture(1)))], "label_config": labeling()})):
                a = self.post(path, body, d=d)
                self.assertEqual(a.status, 400)
                self.assertIn("--labeling-model", a.json["detail"])


class Folder(Case):
    @classmethod
    def prepare(cls):
        cls.pictures = os.path.join(cls.folder.name, "media")
        os.makedirs(os.path.join(cls.pictures, "upload", "3"))
        cls.write("upload/3/ab-sign.png", picture(1))
        cls.write("two words+.png", picture(2))
        cls.write("notes.txt", b"no picture")
        with open(os.path.join(cls.folder.name, "secret.png"), "wb") as f:
            f.write(picture(3))
        os.symlink(os.path.join(cls.folder.name, "secret.png"), os.path.join(cls.pictures, "link.png"))
        os.symlink(cls.folder.name, os.path.join(cls.pictures, "up"))
        os.mkfifo(os.path.join(cls.pictures, "pipe.png"))
        cls.write("twice.png", picture(4))
        os.link(os.path.join(cls.pictures, "twice.png"), os.path.join(cls.folder.name, "elsewhere.png"))
        cls.OPTIONS = ("--labeling-model", "tiny", "--labeling-folder", cls.pictures)

    @classmethod
    def write(cls, name, data):
        with open(os.path.join(cls.pictures, name), "wb") as f:
            f.write(data)

    def test_a_path_is_read_beneath_the_folder(self):
        for paths, seed in ((("upload/3/ab-sign.png", "/data/upload/3/ab-sign.png", "/data/local-files/?d=upload/3/ab-sign.png", "/data/local-files/?d=upload%2F3%2Fab-sign.png"), 1),
                            (("two words+.png", "/data/local-files/?d=two%20words%2B.png", "/data/local-files/?d=two+words%2b.png", "/data/two%20words+.png"), 2)):
            wanted = self.predict([task(uri(picture(seed)))])[0]
            for p in self.predict([task(path) for path in paths]):
                self.assertEqual(p, wanted)

    def test_nothing_outside_the_folder_is_read(self):
        for path in ("../secret.png", "/etc/passwd", "upload/../../secret.png", "upload/3/../../../secret.png", "./two words+.png", "upload//3/ab-sign.png", "link.png", "up/secret.png",
                     "/data/../secret.png", "/data//etc/passwd", "/data/%2e%2e/secret.png", "/data/local-files/?d=../secret.png", "/data/local-files/?d=%2Fetc%2Fpasswd",
                     "/data/local-files/?d=%2e%2e%2fsecret.png", "/data/local-files/?d=a%00b", "/data/local-files/?d=%zz", "/data/local-files/?d=", "upload", "upload/", "pipe.png", "twice.png", "..", ".",
                     "x" * 2000):
            p = self.predict([task(path)])[0]
            self.assertEqual((p["result"], p["problem"]["status"]), ([], 400), path)
        for path in ("upload/none.png", "a/" * 400 + "b"):
            self.assertEqual(self.predict([task(path)])[0]["problem"]["status"], 404)
        self.assertEqual(self.predict([task("notes.txt")])[0]["problem"]["status"], 415)

    def test_a_file_that_changes_is_read_again(self):
        self.write("new.png", picture(5))
        first = self.predict([task("new.png")])[0]
        self.write("new.png", picture(6))
        second = self.predict([task("new.png")])[0]
        self.assertNotEqual(first, second)
        self.assertEqual(second, self.predict([task(uri(picture(6)))])[0])

    def test_others_are_answered_while_large_files_are_decoded(self):
        for i in range(3):
            self.write("large%d.png" % i, large(40 * i + 10))
        between = 0
        with daemon.Daemon(self.models, *self.OPTIONS, "--http-threads", "2", "--request-timeout-ms", "300000") as d:
            for _ in range(5):  # on a machine that is busy otherwise one try may miss the time
                before, sent = d.metric(DECODED), []
                for i in range(3):
                    c = d.connect()
                    c.request("POST", "/predict", json.dumps({"tasks": [task("large%d.png" % i)], "label_config": labeling()}), JSON)
                    sent.append(c)
                    daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") > 1)
                    d.get("/livez")
                self.assertEqual(d.explain(picture(1)).status, 200)
                decoded = d.metric(DECODED) - before  # the small one is among them
                self.assertTrue(all(c.getresponse().status == 200 for c in sent))
                for c in sent:
                    c.close()
                between += decoded == 1
                if between:
                    break
        self.assertTrue(between, "while three large pictures were waited for nobody else was answered")

    def test_a_folder_that_is_none_is_said_at_the_start(self):
        d = daemon.Daemon(self.models, "--labeling-folder", "/nowhere", wait=False)
        self.assertEqual(d.process.wait(60), 2)
        d.process.stdout.close()
        self.assertIn("labeling_folder", d.errors())


class Access(Case):
    TOKEN = "annotator-0123456789abcdef"

    @classmethod
    def prepare(cls):
        path = os.path.join(cls.folder.name, "keys")
        with open(path, "w") as f:
            f.write("studio explain %s\nreader - reader-0123456789abcdef\n" % cls.TOKEN)
        os.chmod(path, 0o600)
        cls.OPTIONS = ("--labeling-model", "tiny", "--keys", path)

    def basic(self, user, token, code=None):
        return {"Authorization": "Basic " + (code or base64.b64encode(("%s:%s" % (user, token)).encode()).decode())}

    def test_the_token_is_the_password_of_basic_or_behind_bearer(self):
        body = {"tasks": [task(uri(picture(1)))], "label_config": labeling()}
        self.assertEqual(self.d.get("/health").status, 200)
        for headers, status in (({}, 401), ({"Authorization": "Bearer " + self.TOKEN}, 200), (self.basic("studio", self.TOKEN), 200), (self.basic("anybody", self.TOKEN), 200), (self.basic("", self.TOKEN), 200),
                                (self.basic("studio", "reader-0123456789abcdef"), 403), (self.basic("studio", "wrong-0123456789abcdef"), 401), (self.basic(self.TOKEN, ""), 401),
                                (self.basic("studio", self.TOKEN + ":x"), 401), (self.basic("", "", base64.b64encode(self.TOKEN.encode()).decode()), 401), (self.basic("", "", "!!!"), 401), (self.basic("", "", "===="), 401),
                                (self.basic("x" * 2000, self.TOKEN), 401), (self.basic("studio", self.TOKEN + "\0"), 401), ({"Authorization": "Basic "}, 401),
                                ({"Authorization": "Basic"}, 401), ({"Authorization": "Token " + self.TOKEN}, 401)):
            for path in ("/predict", "/setup"):
                a = self.post(path, body, dict(JSON, **headers))
                self.assertEqual(a.status, status, (headers, a.body[:200]))
        self.assertNotIn(self.TOKEN, self.d.errors())


if __name__ == "__main__":
    unittest.main()
