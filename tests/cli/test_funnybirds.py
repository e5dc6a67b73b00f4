"""clients/funnybirds.py: the published layout of FunnyBirds, made small, becomes a parts.jsonl that evaluate reads."""
import itertools
import json
import os
import subprocess
import sys
import tempfile
import unittest

from command import ROOT, whynot

try:
    import numpy as np
    from PIL import Image
except ImportError:
    print("skipped: NumPy and Pillow are not installed")
    sys.exit(77)

PARTS = {"beak": [{"model": "a"}, {"model": "b"}], "eye": [{"model": "a"}, {"model": "b"}], "foot": [{"model": "a"}], "tail": [{"model": "a"}, {"model": "b"}],
         "wing": [{"model": "a"}, {"model": "b"}, {"model": "c"}]}
BOXES = {"beak": (0, 0), "eye": (0, 20), "foot": (20, 0), "tail": (20, 20), "wing": (40, 0)}
COLOURS = {"beak": (255, 255, 0), "eye": (255, 255, 254), "foot": (255, 0, 1), "tail": (0, 0, 255), "wing": (0, 255, 2)}


def drawn(parts, thing):
    picture = np.full((64, 64, 4), 255, np.uint8)
    picture[:, :, :3] = 90
    for part in parts:
        y, x = BOXES[part]
        picture[y:y + 16, x:x + 16, :3] = COLOURS[part]
    if thing:
        picture[45:60, 45:60, :3] = (200, 120, 30)
    return picture


def mapped():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, :, 3] = 255
    for part, (y, x) in BOXES.items():
        picture[y:y + 16, x:x + 16, :3] = COLOURS[part]
    return picture


def save(array, *path):
    os.makedirs(os.path.join(*path[:-1]), exist_ok=True)
    Image.fromarray(array).save(os.path.join(*path))


class FunnyBirds(unittest.TestCase):
    def test_the_published_layout_is_read(self):
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as out:
            variants = [(0, 0, 0, 0, 0), (0, 0, 0, 1, 1), (1, 1, 0, 0, 2), (1, 0, 0, 1, 2)]
            json.dump([{"class_idx": i, "parts": dict(zip(PARTS, v))} for i, v in enumerate(variants)], open(os.path.join(root, "classes.json"), "w"))
            json.dump(PARTS, open(os.path.join(root, "parts.json"), "w"))
            json.dump([{"class_idx": 0}, {"class_idx": 0}], open(os.path.join(root, "dataset_test.json"), "w"))
            for number in range(2):
                name = "%06d.png" % number
                save(drawn(PARTS, True), root, "test", "0", name)
                save(mapped(), root, "test_part_map", "0", name)
                for size in range(len(PARTS)):
                    for left in itertools.combinations(PARTS, size):
                        save(drawn(left, True), root, "test_interventions", "0", name[:-4], "body_" + "_".join(sorted(left)) + ".png")
                save(drawn(PARTS, False), root, "test_interventions", "0", name[:-4], "background_interventions", "0.png")
            subprocess.run([sys.executable, os.path.join(ROOT, "clients", "funnybirds.py"), root, out], check=True)
            rows = [json.loads(line) for line in open(os.path.join(out, "parts.jsonl"))]
            self.assertEqual(len(rows), 2)
            row = rows[0]
            self.assertEqual((row["label"], row["parts"], row["background"]), (0, list(PARTS), ["object 0"]))
            self.assertEqual(len(row["without"]), 2 ** 5 - 1 + 1)
            gone = {tuple(w["gone"]): w["image"] for w in row["without"]}
            np.testing.assert_array_equal(np.asarray(Image.open(gone["beak", "tail"])), drawn(("eye", "foot", "wing"), True))
            units = np.asarray(Image.open(os.path.join(out, row["map"])))
            self.assertEqual([units[y + 3, x + 3] for y, x in BOXES.values()], [1, 2, 3, 4, 5])
            self.assertEqual((units[50, 50], units[63, 63]), (6, 0))
            # Wing alone tells class 0; without it, beak and tail together, or eye and tail.
            self.assertEqual(sorted(map(sorted, row["minimal"])), [["beak", "tail"], ["eye", "tail"], ["wing"]])
            r = whynot("evaluate", out, "--model", "signs-resnet", "--models", os.path.join(ROOT, "models"), "--method", "gradcam", "--contrast", "logit",
                       "--suite", "parts", "--json")
            self.assertEqual(r.code, 0, r.err)
            self.assertEqual(json.loads(r.out)["pictures"], 2)


if __name__ == "__main__":
    unittest.main()
