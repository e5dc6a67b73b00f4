#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests the renderer of traffic signs.  Exits with 77 (skipped) where NumPy or Pillow is missing."""
import json
import pathlib
import sys
import unittest

try:
    import numpy as np
    from PIL import Image, ImageFilter
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models"
sys.path.insert(0, str(MODELS / "signs"))

import render as signs  # noqa: E402  (found through the path set above)

REFERENCE = HERE / "reference.json"


def summary(picture):
    """Mean colours of a 6 x 6 grid: close for close pictures, whatever the version of Pillow."""
    blocks = picture.reshape(6, 16, 6, 16, 3).mean(axis=(1, 3))
    return [round(float(value), 1) for value in blocks.ravel()]


def grown(mask, pixels):
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(2 * pixels + 1))) > 0


def reference_pictures():
    for index, name in enumerate(signs.CLASSES):
        level = signs.LEVELS[index % len(signs.LEVELS)]
        yield "%s, %s" % (name, level), signs.render(name, signs.draw_conditions(4000 + index, level))


class Determinism(unittest.TestCase):
    def test_same_seed_same_bytes(self):
        for name in ("no right turn", "stop"):
            first = signs.render(name, signs.draw_conditions(5, "hard"))
            second = signs.render(name, signs.draw_conditions(5, "hard"))
            self.assertEqual(first.tobytes(), second.tobytes())

    def test_other_seed_other_picture(self):
        first = signs.render("stop", signs.draw_conditions(5))
        self.assertNotEqual(first.tobytes(), signs.render("stop", signs.draw_conditions(6)).tobytes())

    def test_as_recorded(self):
        recorded = json.loads(REFERENCE.read_text())
        for key, picture in reference_pictures():
            error = np.abs(np.array(summary(picture)) - np.array(recorded[key])).mean()
            self.assertLess(error, 1.0, key)

    def test_shape(self):
        picture = signs.render("yield", signs.draw_conditions(1, "easy"))
        self.assertEqual((picture.shape, picture.dtype), ((96, 96, 3), np.uint8))


class Difference(unittest.TestCase):
    def test_not_empty_and_within_the_sign(self):
        for p, q in signs.confusable_pairs():
            for seed in range(3):
                conditions = signs.draw_conditions(100 + seed, "hard")
                mask = signs.difference_mask(p, q, conditions)
                self.assertGreater(mask.sum(), 15, (p, q, seed))
                outline = signs.sign_mask(p, conditions) | signs.sign_mask(q, conditions)
                # Blur carries a difference a few pixels beyond the outline.
                self.assertFalse((mask & ~grown(outline, 5)).any(), (p, q, seed))

    def test_a_digit_differs_and_the_other_does_not(self):
        conditions = signs.draw_conditions(3, "easy")
        mask = signs.difference_mask("speed limit 30", "speed limit 80", conditions)
        shown, names = signs.part_map("speed limit 30", conditions)
        self.assertTrue(mask[shown == names.index("digit tens")].any())
        self.assertFalse(mask[shown == names.index("digit ones")].any())

    def test_none_between_a_class_and_itself(self):
        self.assertFalse(signs.difference_mask("stop", "stop", signs.draw_conditions(9)).any())

    def test_pairs_are_classes(self):
        for pair in signs.confusable_pairs():
            self.assertTrue(set(pair) <= set(signs.CLASSES))


class LeaveOut(unittest.TestCase):
    def test_a_part_goes_and_nothing_else(self):
        for name in signs.CLASSES:
            conditions = signs.draw_conditions(21, "normal")
            whole = signs.render(name, conditions)
            shown, names = signs.part_map(name, conditions)
            for part in signs.parts(name):
                changed = (whole != signs.render(name, conditions, leave_out=[part])).any(axis=2)
                here = shown == names.index(part)
                self.assertTrue(changed.any(), (name, part))
                self.assertFalse((changed & ~grown(here, 5)).any(), (name, part))

    def test_a_thing_of_the_background_goes(self):
        conditions = signs.draw_conditions(22, "hard")
        whole = signs.render("stop", conditions)
        for thing in signs.background_objects(conditions):
            changed = (whole != signs.render("stop", conditions, leave_out=[thing])).any(axis=2)
            hidden = signs.sign_mask("stop", conditions) & ~grown(~signs.sign_mask("stop", conditions), 5)
            self.assertFalse((changed & hidden).any(), thing)
        everything = signs.background_objects(conditions) + signs.occluders(conditions)
        self.assertTrue((whole != signs.render("stop", conditions, leave_out=everything)).any())

    def test_unknown_name(self):
        with self.assertRaises(ValueError):
            signs.render("stop", signs.draw_conditions(1), leave_out=["moustache"])


class Parts(unittest.TestCase):
    def test_names_complete(self):
        for name in signs.CLASSES:
            shown, names = signs.part_map(name, signs.draw_conditions(31, "easy"))
            self.assertEqual(names, [""] + signs.parts(name))
            self.assertEqual(len(set(names)), len(names))
            self.assertEqual(set(np.unique(shown)), set(range(len(names))), name)

    def test_names_of_things_differ(self):
        conditions = signs.draw_conditions(32, "hard")
        things = signs.background_objects(conditions) + signs.occluders(conditions)
        self.assertEqual(len(set(things)), len(things))


class Folders(unittest.TestCase):
    """The model folders agree with the renderer."""

    def test_labels_and_samples(self):
        for path in sorted(MODELS.glob("signs-*/manifest.json")):
            folder = path.parent
            manifest = json.loads(path.read_text())
            self.assertEqual(manifest["name"], folder.name)
            self.assertEqual((folder / manifest["labels"]).read_text().splitlines(), signs.CLASSES)
            self.assertEqual(len(manifest["samples"]), 12)
            for sample in manifest["samples"]:
                self.assertEqual(Image.open(folder / sample["file"]).size, (96, 96))
                self.assertTrue({sample["label"], sample["why_not"]} <= set(signs.CLASSES))


if __name__ == "__main__":
    if sys.argv[1:] == ["--record"]:
        REFERENCE.write_text(json.dumps({key: summary(one) for key, one in reference_pictures()}) + "\n")
    else:
        unittest.main()
