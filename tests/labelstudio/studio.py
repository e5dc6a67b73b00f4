"""What Label Studio sends, in the shapes of its documentation, a decoder of brush masks written from the format's description, and a daemon to send it to
whose predictions are held against those shapes. Standard library only."""
import json
import os
import sys
import tempfile
import unittest
from xml.sax.saxutils import quoteattr

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import daemon  # noqa: E402
from daemon import LABELS, b64  # noqa: E402

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
