"""export: audit and explain jobs as FiftyOne and CVAT read them, held against readers written here from the formats' descriptions."""
import base64
import copy
import json
import math
import os
import re
import shutil
import struct
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
import zlib

from command import ROOT, daemon, whynot
import tiny_onnx

MODELS = os.path.join(ROOT, "models")
SAMPLES = os.path.join(MODELS, "signs-resnet", "samples")
SIGNS = ["--model", "signs-resnet", "--models", MODELS]
TURNED = {"no-right-turn-1.png": "no left turn", "speed-limit-30-1.png": "speed limit 80"}


# ---- readers ----

def no_key_twice(pairs):
    """For json.load's object_pairs_hook: of two keys that are the same a reader takes one and loses the other."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), sorted(keys)
    return dict(pairs)


def numpy_array(data):
    """(shape, values) of a .npy file of version 1.0."""
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    size = struct.unpack("<H", data[8:10])[0]
    head = data[10:10 + size].decode("latin-1")
    assert (10 + size) % 64 == 0 and head.endswith("\n")
    dtype = re.search(r"'descr': '([^']+)'", head).group(1)
    shape = tuple(int(n) for n in re.search(r"'shape': \(([^)]*)\)", head).group(1).split(",") if n.strip())
    assert dtype == "<f4" and "'fortran_order': False" in head, head
    values = [v for v, in struct.iter_unpack("<f", data[10 + size:])]
    rows, columns = shape
    assert len(values) == rows * columns
    return shape, values


def heatmap(field):
    """FiftyOne's Heatmap: a map that numpy saved, deflated, in MongoDB's extended JSON; and the [min, max] of its values."""
    assert set(field) == {"_cls", "map", "range"} and field["_cls"] == "Heatmap", field
    binary = field["map"]["$binary"]
    assert binary["subType"] == "00" and set(field["map"]) == {"$binary"}
    shape, values = numpy_array(zlib.decompress(base64.b64decode(binary["base64"], validate=True)))
    low, high = field["range"]
    assert low < high and low <= min(values) * 0.999999 and max(values) <= high * 1.000001, (field["range"], min(values), max(values))
    return shape, values


def coco_pixels(rle):
    """Pixels (x, y) inside: runs go down the columns."""
    height, width = rle["size"]
    at, inside = 0, set()
    for i, n in enumerate(rle["counts"]):
        if i % 2:
            inside.update((k // height, k % height) for k in range(at, at + n))
        at += n
    assert at == height * width
    return inside


def cvat_pixels(mask):
    """Pixels inside: runs go along the rows of the mask's own box, the first is outside."""
    left, top, width, height = (int(mask.get(key)) for key in ("left", "top", "width", "height"))
    runs = [int(n) for n in mask.get("rle").split(",")]
    assert sum(runs) == width * height and all(n > 0 for n in runs[1:]), (sum(runs), width, height)
    flat = [i % 2 for i, n in enumerate(runs) for _ in range(n)]
    return {(left + k % width, top + k // width) for k, v in enumerate(flat) if v}


def cvat(path, test):
    """The annotations, after a check of everything that the description of "CVAT for images 1.1" asks of them."""
    root = ElementTree.parse(path).getroot()
    test.assertEqual(root.tag, "annotations")
    test.assertEqual(root.findtext("version"), "1.1")
    task = root.find("meta/task")
    test.assertEqual(task.findtext("mode"), "annotation")
    images = root.findall("image")
    test.assertEqual(int(task.findtext("size")), len(images))
    labels = {}
    for label in task.findall("labels/label"):
        test.assertIn(label.findtext("type"), "any bbox cuboid ellipse mask polygon polyline points skeleton tag".split())
        specs = {}
        for spec in label.findall("attributes/attribute"):
            test.assertIn(spec.findtext("input_type"), "select checkbox radio number text".split())
            test.assertIn(spec.findtext("mutable"), ("True", "False"))
            specs[spec.findtext("name")] = (spec.findtext("input_type"), (spec.findtext("values") or "").split("\n"))
        test.assertNotIn(label.findtext("name"), labels)
        labels[label.findtext("name")] = specs
    names = [image.get("name") for image in images]
    test.assertEqual(names, sorted(names, key=str.encode))
    test.assertEqual([int(image.get("id")) for image in images], list(range(len(images))))  # the index in lexical order
    for image in images:
        width, height = int(image.get("width")), int(image.get("height"))
        for shape in image:
            test.assertIn(shape.tag, ("mask", "tag"))
            test.assertIn(shape.get("source"), ("manual", "auto"))
            specs = labels[shape.get("label")]
            for attribute in shape.findall("attribute"):
                kind, values = specs[attribute.get("name")]
                if kind == "number":
                    low, high, step = (float(v) for v in values)
                    test.assertTrue(low <= float(attribute.text) <= high)
                    steps = (float(attribute.text) - low) / step
                    test.assertAlmostEqual(steps, round(steps), 6)
            if shape.tag == "mask":
                test.assertEqual(shape.get("occluded"), "0")
                int(shape.get("z_order"))
                test.assertTrue(all(0 <= x < width and 0 <= y < height for x, y in cvat_pixels(shape)))
    return root


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.names = sorted(os.listdir(SAMPLES))[:8] + sorted(TURNED)
        cls.names = sorted(set(cls.names))
        data = cls.path("data & more")
        for name in cls.names:
            folder = os.path.join(data, TURNED.get(name, re.sub(r"-\d+\.png$", "", name)))
            os.makedirs(folder, exist_ok=True)
            shutil.copy(os.path.join(SAMPLES, name), folder)
        cls.audit = cls.path("audit.jsonl")
        r = whynot("audit", data, *SIGNS)
        assert r.code == 0, r.err
        with open(cls.audit, "w") as out:
            out.write(r.out)
        cls.rows = {row["file"]: row for row in map(json.loads, r.out.splitlines())}

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.temporary.name, name)

    def export(self, lines, how, name, code=0):
        r = whynot("export", lines, "--as", how, "--to", self.path(name))
        self.assertEqual((r.code, r.out), (code, ""), r.err)
        return self.path(name)

    # ---- FiftyOne ----

    def samples(self, folder):
        with open(os.path.join(folder, "metadata.json")) as f:
            metadata = json.load(f)
        self.assertEqual(metadata["media_type"], "image")
        self.assertNotIn("version", metadata)  # only FiftyOne itself may say which of its versions wrote a data set
        with open(os.path.join(folder, "samples.json")) as f:
            samples = json.load(f, object_pairs_hook=no_key_twice)["samples"]
        for sample in samples:
            self.assertTrue(os.path.isabs(sample["filepath"]) and os.path.exists(sample["filepath"]))
            self.assertIsInstance(sample["tags"], list)
            for value in sample.values():
                if isinstance(value, dict):
                    self.assertIn(value["_cls"], ("Classification", "Heatmap"))
                    heatmap(value) if value["_cls"] == "Heatmap" else self.assertIsInstance(value["label"], str)
        return samples

    def test_fiftyone_has_every_picture_with_labels_and_the_suspects_maps(self):
        samples = self.samples(self.export(self.audit, "fiftyone", "deep/er/fiftyone"))
        self.assertEqual(len(samples), len(self.rows))
        by_path = {os.path.realpath(row["path"]): row for row in self.rows.values()}
        for sample in samples:
            row = by_path[sample["filepath"]]
            self.assertEqual(sample["ground_truth"]["label"], row["label"]["label"])
            self.assertEqual(sample["prediction"]["label"], row["rival" if row["suspect"] else "label"]["label"])
            self.assertEqual(sample["prediction"]["confidence"], row["rival" if row["suspect"] else "label"]["probability"])
            self.assertEqual((sample["rank"], sample["logit_gap"], sample["tags"]), (row["rank"], row["logit_gap"], ["suspect"] if row["suspect"] else []))
            self.assertEqual("model_rather_than_label" in sample, row["suspect"])
            for field, m in zip(("model_rather_than_label", "label_rather_than_model"), row["answer"].get("maps", [])):
                shape, values = heatmap(sample[field])
                raw = [v for v, in struct.iter_unpack("<f", base64.b64decode(m["raw"]["data"]))]
                self.assertEqual((list(shape), values), (m["raw"]["shape"], raw))
                self.assertAlmostEqual(sample[field]["range"][1], max(map(abs, raw)), 6)
                self.assertEqual(sample[field]["range"][0], -sample[field]["range"][1])

    def test_fiftyone_gets_explanations_too(self):
        lines = self.path("explain.jsonl")
        r = whynot("explain", SAMPLES, *SIGNS, "-q", "auto:2", "--maps", "contrast,target", "--outputs", "raw,rle,bbox", "--output", lines)
        self.assertEqual(r.code, 0, r.err)
        samples = self.samples(self.export(lines, "fiftyone", "explained"))
        self.assertEqual(len(samples), len(os.listdir(SAMPLES)))
        for sample in samples:
            self.assertEqual(sum(isinstance(v, dict) and v["_cls"] == "Heatmap" for v in sample.values()), 3)
            self.assertEqual(sample["target"]["label"], sample["prediction"]["label"])

    def test_in_fiftyone_no_map_takes_the_place_of_a_class(self):
        for question, fields in ((["--maps", "target"], ["target_map"]), (["-q", "no left turn", "--maps", "rival"], ["rival_map"]),
                                 (["-q", "no left turn", "-q", "stop", "--maps", "contrast,target,rival"],
                                  ["contrast_map", "contrast_map_2", "rival_map", "rival_map_2", "target_map"]),
                                 (["-q", "all", "--contrast", "pair"], ["mean_map", "variance_map"])):
            lines = self.path("places.jsonl")
            r = whynot("explain", os.path.join(SAMPLES, "no-right-turn-1.png"), *SIGNS, *question, "--outputs", "raw,rle,bbox", "--output", lines, "--force")
            self.assertEqual(r.code, 0, r.err)
            sample, = self.samples(self.export(lines, "fiftyone", "places"))
            self.assertEqual(sorted(k for k, v in sample.items() if isinstance(v, dict) and v["_cls"] == "Heatmap"), fields)
            self.assertEqual((sample["target"]["_cls"], sample["target"]["label"]), ("Classification", "no right turn"))
            if "no left turn" in question:
                self.assertEqual((sample["rival"]["_cls"], sample["rival"]["label"]), ("Classification", "no left turn"))

    def test_a_map_that_says_nothing_has_a_range_around_zero(self):
        lines, row = self.path("nothing.jsonl"), copy.deepcopy(next(row for row in self.rows.values() if row["suspect"]))
        raw = row["answer"]["maps"][0]["raw"]
        raw["data"] = base64.b64encode(bytes(4 * math.prod(raw["shape"]))).decode()
        with open(lines, "w") as f:
            f.write(json.dumps(row) + "\n")
        sample, = self.samples(self.export(lines, "fiftyone", "nothing"))
        self.assertEqual(set(heatmap(sample["model_rather_than_label"])[1]), {0})
        self.assertEqual(sample["model_rather_than_label"]["range"], [-1, 1])

    def test_a_map_of_a_part_of_the_picture_lies_where_that_part_is(self):
        models = self.path("models")
        os.makedirs(models, exist_ok=True)
        onnx = tiny_onnx.classifier(seed=1)
        daemon.write_model(models, "short", onnx, daemon.LABELS, 16, input={"resize": "short-side", "short_side": 20, "crop": [16, 16], "mean": [0.5] * 3, "std": [0.25] * 3})
        picture, lines = self.path("wide.png"), self.path("wide.jsonl")
        with open(picture, "wb") as out:
            out.write(daemon.picture(3, 96, 20))
        r = whynot("explain", picture, "-m", "short", "--models", models, "-q", "auto:1", "--outputs", "raw,rle,bbox", "--output", lines)
        self.assertEqual(r.code, 0, r.err)
        with open(lines) as f:
            image = json.loads(f.readline())["answer"]["image"]
        self.assertEqual((image["resized"], image["crop"]), ([96, 20], [40, 2, 16, 16]))
        sample, = self.samples(self.export(lines, "fiftyone", "wide"))
        (height, width), values = heatmap(sample["contrast_map"])
        self.assertEqual((width, height), (64, 13))  # as the picture: 96 x 20
        columns = {i % width for i, v in enumerate(values) if v}
        self.assertTrue(columns and min(columns) >= 40 * 64 // 96 and max(columns) <= 56 * 64 // 96 + 1, columns)
        root = cvat(self.export(lines, "cvat", "wide.xml"), self)
        for mask in root.iter("mask"):
            self.assertTrue(all(40 <= x < 56 for x, _ in cvat_pixels(mask)))

    # ---- CVAT ----

    def test_cvat_has_the_strongest_pixels_of_each_map_with_label_and_score(self):
        root = cvat(self.export(self.audit, "cvat", "annotations.xml"), self)
        images = {image.get("name"): image for image in root.findall("image")}
        self.assertEqual(set(images), set(self.rows))
        for name, row in self.rows.items():
            self.assertEqual([tag.get("label") for tag in images[name].findall("tag")], [row["label"]["label"]])
            masks = images[name].findall("mask")
            self.assertEqual(len(masks), 2 if row["suspect"] else 0)
            for mask, m in zip(masks, row["answer"].get("maps", [])):
                self.assertEqual(mask.get("label"), m["class"]["label"])
                self.assertEqual(cvat_pixels(mask), coco_pixels(m["rle"]))
                xs, ys = zip(*coco_pixels(m["rle"]))
                self.assertEqual([int(mask.get(k)) for k in ("left", "top", "width", "height")],
                                 [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1])
                attributes = {a.get("name"): a.text for a in mask.findall("attribute")}
                model_says_so = m["class"]["label"] == row["rival"]["label"]
                self.assertAlmostEqual(float(attributes["evidence"]), m["share_positive"], 3)
                self.assertAlmostEqual(float(attributes["score"]), row["relative_probability"] if model_says_so else 1 - row["relative_probability"], 2)
                self.assertEqual(attributes["rank"], str(row["rank"]))
                self.assertEqual(attributes["question"], "why %s, rather than %s?" % (m["class"]["label"], m["rival"]["label"]))

    def test_cvat_gets_explanations_too_also_from_standard_input(self):
        r = whynot("explain", SAMPLES, *SIGNS, "-q", "auto:1", "--outputs", "raw,rle,bbox")
        done = whynot("export", "-", "--as", "cvat", "--to", self.path("piped.xml"), stdin=r.bytes)
        self.assertEqual(done.code, 0, done.err)
        root = cvat(self.path("piped.xml"), self)
        self.assertEqual(len(root.findall("image/mask")), len(os.listdir(SAMPLES)))
        self.assertTrue(all(float(a.text) > 0.5 for a in root.iter("attribute") if a.get("name") == "score"))

    def test_cvat_calls_a_mask_against_a_class_so(self):
        for question, label, sure in ((["--contrast", "cross-entropy", "-q", "no left turn"], "against no left turn", True), (["--contrast", "regression", "--value", "100"], "against no right turn", False),
                                      (["--contrast", "cross-entropy", "-q", "no right turn"], "against no right turn", False), (["--contrast", "regression", "--value", "-100"], "no right turn", True)):
            r = whynot("explain", os.path.join(SAMPLES, "no-right-turn-1.png"), *SIGNS, *question, "--outputs", "raw,rle,bbox")
            done = whynot("export", "-", "--as", "cvat", "--to", self.path("against.xml"), stdin=r.bytes)
            self.assertEqual(done.code, 0, done.err)
            root = cvat(self.path("against.xml"), self)
            self.assertEqual([m.get("label") for m in root.iter("mask")], [label])
            self.assertEqual([x.text for x in root.findall("meta/task/labels/label/name")], [label])
            score, = (float(x.text) for x in root.iter("attribute") if x.get("name") == "score")
            self.assertEqual(score > 0.5, sure)

    def test_cvats_question_names_everything_that_was_asked_about(self):
        right, left, stop, thirty = "no right turn", "no left turn", "stop", "speed limit 30"
        subset = ["-w", right, "-w", thirty, "-q", left, "-q", stop, "--contrast", "subset"]
        for question, said in ((subset, ["why %s or %s, rather than %s or %s?" % (right, thirty, left, stop)]),
                               ([*subset, "--maps", "contrast,target,rival"],
                                ["why %s or %s, rather than %s or %s?" % (right, thirty, left, stop), *("why %s?" % c for c in (right, thirty, left, stop))]),
                               (["-w", right, "-q", left, "-q", stop, "-q", thirty, "--contrast", "finer"], ["why %s, rather than %s, %s or %s?" % (right, left, stop, thirty)]),
                               (["-w", right, "-q", left, "-q", stop, "--contrast", "pair"], ["why %s, rather than %s?" % (right, c) for c in (left, stop)]),
                               (["-w", right, "-q", "all", "--contrast", "pair"], ["why %s, rather than all others?" % right]),
                               (["-w", right, "--contrast", "logit"], ["why %s?" % right]),
                               (["-w", right, "--contrast", "regression", "--value", "-30"], ["why does %s score %%.4g, rather than -30?" % right])):
            r = whynot("explain", os.path.join(SAMPLES, "no-right-turn-1.png"), *SIGNS, *question, "--outputs", "raw,rle,bbox")
            answer = json.loads(r.out)["answer"]
            said = [s % answer["target"]["logit"] if "%" in s else s for s in said]
            done = whynot("export", "-", "--as", "cvat", "--to", self.path("asked.xml"), stdin=r.bytes)
            self.assertEqual(done.code, 0, done.err)
            found = [a.text for a in cvat(self.path("asked.xml"), self).iter("attribute") if a.get("name") == "question"]
            self.assertEqual(found, [s for s, m in zip(said, answer["maps"]) if coco_pixels(m["rle"])])
            self.assertTrue(found, question)

    def test_cvat_draws_no_variance(self):
        picture = os.path.join(SAMPLES, "no-right-turn-1.png")
        for contrast, label in (("pair", "no right turn"), ("cross-entropy", "against the others")):
            r = whynot("explain", picture, *SIGNS, "-q", "all", "--contrast", contrast, "--outputs", "raw,rle,bbox")
            answer = json.loads(r.out)
            mean, variance = answer["answer"]["maps"]
            self.assertEqual((mean["kind"], variance["kind"]), ("mean", "variance"))
            answer["answer"]["maps"].reverse()
            for lines in (r.bytes, json.dumps(answer).encode() + b"\n"):
                done = whynot("export", "-", "--as", "cvat", "--to", self.path("mean.xml"), stdin=lines)
                self.assertEqual(done.code, 0, done.err)
                root = cvat(self.path("mean.xml"), self)
                self.assertEqual([(m.get("label"), cvat_pixels(m)) for m in root.iter("mask")], [(label, coco_pixels(mean["rle"]))])
            answer["answer"]["maps"].pop()
            done = whynot("export", "-", "--as", "cvat", "--to", self.path("variance.xml"), stdin=json.dumps(answer).encode() + b"\n")
            self.assertEqual(done.code, 0, done.err)
            root = cvat(self.path("variance.xml"), self)
            self.assertEqual((root.findall("image/mask"), root.findall("meta/task/labels/label")), ([], []))

    def test_cvat_draws_nothing_that_looks_at_no_class(self):
        r = whynot("explain", os.path.join(SAMPLES, "no-right-turn-1.png"), *SIGNS, "--method", "eigencam", "--outputs", "raw,rle,bbox")
        self.assertTrue(coco_pixels(json.loads(r.out)["answer"]["maps"][0]["rle"]))
        done = whynot("export", "-", "--as", "cvat", "--to", self.path("classless.xml"), stdin=r.bytes)
        self.assertEqual(done.code, 0, done.err)
        root = cvat(self.path("classless.xml"), self)
        self.assertEqual((root.findall("image/mask"), root.findall("meta/task/labels/label")), ([], []))

    # ---- what fails ----

    def test_names_cannot_become_markup(self):
        odd = self.path("<a>&\"'.png")
        shutil.copy(os.path.join(SAMPLES, "no-right-turn-1.png"), odd)
        index = self.path("odd.csv")
        with open(index, "w") as out:
            out.write('image,label\n"%s",no left turn\n' % odd.replace('"', '""'))
        r = whynot("audit", index, *SIGNS)
        with open(self.path("odd.jsonl"), "w") as out:
            out.write(r.out)
        self.assertEqual([i.get("name") for i in cvat(self.export(self.path("odd.jsonl"), "cvat", "odd.xml"), self).iter("image")], [odd])
        self.assertEqual(self.samples(self.export(self.path("odd.jsonl"), "fiftyone", "odd"))[0]["filepath"], os.path.realpath(odd))

    def test_line_breaks_in_names_come_back_out_of_the_xml(self):
        odd = self.path("a\nb\tc\rd\r\n e.png")
        shutil.copy(os.path.join(SAMPLES, "no-right-turn-1.png"), odd)
        r = whynot("explain", odd, *SIGNS, "-q", "no left turn", "--outputs", "raw,rle,bbox", "--lines")
        line = json.loads(r.out)
        self.assertEqual(line["file"], odd)
        line["answer"]["maps"][0]["class"]["label"] = label = "no\r\nright\tturn"
        for file, read in ((odd, odd), ("a\x01b\ufffe\uffffc\ufffd\x7f\u0085", "a\ufffdb\ufffd\ufffdc\ufffd\x7f\u0085")):  # the last ones XML has no way to say
            done = whynot("export", "-", "--as", "cvat", "--to", self.path("breaks.xml"), stdin=json.dumps({**line, "file": file}).encode() + b"\n")
            self.assertEqual(done.code, 0, done.err)
            root = cvat(self.path("breaks.xml"), self)
            self.assertEqual([i.get("name") for i in root.iter("image")], [read])
            self.assertEqual([m.get("label") for m in root.iter("mask")], [label])
            self.assertEqual([x.text for x in root.findall("meta/task/labels/label/name")], [label])
            self.assertIn("why %s, rather than no left turn?" % label, [a.text for a in root.iter("attribute")])

    def test_lines_without_an_answer_are_left_out_and_counted(self):
        lines = self.path("some.jsonl")
        with open(self.audit) as f:
            text = f.read()
        with open(lines, "w") as out:
            out.write(text + '{"rank":null,"file":"a.png","question":"x","error":"no picture"}\n{"file":"b.png","question":"x","status":422,"answer":{}}\n{"half')
        for how in ("fiftyone", "cvat"):
            r = whynot("export", lines, "--as", how, "--to", self.path("some." + how))
            self.assertEqual(r.code, 1)
            self.assertIn("2 of %d pictures" % (len(self.rows) + 2), r.err)
        self.assertEqual(len(cvat(self.path("some.cvat"), self).findall("image")), len(self.rows))

    def test_what_is_wrong_is_named_and_nothing_is_written(self):
        row = next(row for row in self.rows.values() if row["suspect"])

        def changed(change):
            copy = json.loads(json.dumps(row))
            change(copy["answer"], copy["answer"]["maps"][0])
            return json.dumps(copy) + "\n"

        cases = [("", "no line with an answer"), ("{}\n", "line 1"), ("nonsense\n", "line 1"), ((json.dumps(row) + "\n") * 2, "two lines"),
                 (changed(lambda a, m: (m.pop("raw"), m.pop("rle"))), "--outputs raw,rle,bbox"),
                 (changed(lambda a, m: (m["raw"].update(shape=[3, 3]), m["rle"].update(counts=[1, 2]))), ("shape", "add up")),
                 (changed(lambda a, m: (m["raw"].update(data="AA=="), m["rle"].update(counts=[-5, 10 ** 18, "x"]))), ("shape", "add up")),
                 (changed(lambda a, m: (m["raw"].update(shape=[-1, 10 ** 12]), m["rle"].update(size=[10 ** 9, 1]))), ("raw", "--size image")),
                 (changed(lambda a, m: a["image"].update(width=0)), ("where the map lies", "how large")),
                 (changed(lambda a, m: a["image"].update(width=10 ** 9, height=10 ** 9)), ("where the map lies", "how large"))]
        for text, said in cases:
            lines = self.path("wrong.jsonl")
            with open(lines, "w") as out:
                out.write(text)
            for i, how in enumerate(("fiftyone", "cvat")):
                to = self.path("wrong." + how)
                r = whynot("export", lines, "--as", how, "--to", to)
                self.assertEqual(r.code, 2, (text[:80], how, r.err))
                self.assertIn(said if isinstance(said, str) else said[i], r.err)
                self.assertFalse(os.path.exists(to))
        for words in ([], [self.audit], [self.audit, "--as", "cvat"], [self.audit, "--as", "coco", "--to", "x"], ["/no/such", "--as", "cvat", "--to", "x"]):
            self.assertEqual(whynot("export", *words).code, 2, words)
        self.assertEqual(whynot("export", self.audit, "--as", "cvat", "--to", "/dev/full").code, 5)


if __name__ == "__main__":
    unittest.main()
