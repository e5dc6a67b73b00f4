"""Of 1000 pictures of the bundled signs with 50 wrong labels at least 45 are among the first 60 of the audit's list, for both networks, whether the
labels are wrong at random or by one detail. A sanitized build does a fifth of it.

    audit_flipped.py --orders     measures how well each order does on worn pictures, which the networks often get wrong, and judges nothing
"""
import json
import os
import sys
import tempfile
import unittest

import flipped_signs
from command import ROOT, whynot

MODELS = ("signs-resnet", "signs-vgg")
COUNT, FLIPPED, FIRST, WANTED = (200, 10, 12, 9) if os.environ.get("WHYNOT_SANITIZED") else (1000, 50, 60, 45)


def audited(folder, way, model, *more):
    """The ranked list, and the true classes of the pictures whose label is wrong."""
    with open(os.path.join(folder, way + ".json")) as f:
        truth = json.load(f)
    r = whynot("audit", os.path.join(folder, way + ".csv"), "-m", model, "--models", os.path.join(ROOT, "models"), *more)
    assert r.code == 0, r.err
    return [json.loads(line) for line in r.out.splitlines()], truth


class Flipped(unittest.TestCase):
    def test_wrong_labels_come_first(self):
        with tempfile.TemporaryDirectory() as folder:
            flipped_signs.make(folder, COUNT, FLIPPED)
            for model in MODELS:
                for way in flipped_signs.WAYS:
                    rows, truth = audited(folder, way, model)
                    self.assertEqual([row["rank"] for row in rows], list(range(1, COUNT + 1)))
                    self.assertEqual(len({row["file"] for row in rows}), COUNT)
                    found = [row["file"] in truth for row in rows[:FIRST]]
                    named = sum(row["rival"]["label"] == truth.get(row["file"]) for row in rows[:FIRST])
                    print("%s, labels wrong by %s: %d of %d in the first %d, %d of them named right, %d in the first %d" %
                          (model, way, sum(found), FLIPPED, FIRST, named, sum(found[:FLIPPED]), FLIPPED))
                    self.assertGreaterEqual(sum(found), WANTED, (model, way))


def orders(seeds=3):
    found, suspects = {}, []
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            flipped_signs.make(folder, seed=seed, worn=1)
            for model in MODELS:
                for way in flipped_signs.WAYS:
                    for order in ("gap", "probability", "class"):
                        rows, truth = audited(folder, way, model, "--rank", order)
                        found.setdefault((model, way, order), []).append(sum(row["file"] in truth for row in rows[:60]))
                        suspects.append(sum(row["suspect"] for row in rows))
    print("worn pictures, %d to %d suspects of 1000; of 50 wrong labels in the first 60, mean of %d draws" % (min(suspects), max(suspects), seeds))
    for key, counts in found.items():
        print("%s, %s, --rank %s: %.1f %s" % (*key, sum(counts) / len(counts), counts))


if __name__ == "__main__":
    if sys.argv[1:] == ["--orders"]:
        orders()
    else:
        unittest.main()
