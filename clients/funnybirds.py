#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the FunnyBirds data set (Hesse et al. 2023) readable for `whynot evaluate --suite parts`.

    clients/funnybirds.py FUNNYBIRDS FOLDER [--mode test] [--limit N]

FUNNYBIRDS is the data set as it is published: classes.json, parts.json, dataset_MODE.json, MODE/CLASS/NUMBER.png, MODE_part_map and
MODE_interventions (body_PART_PART.png with the parts that are left, background_interventions/NUMBER.png). Its pictures stay where
they are; FOLDER gets parts.jsonl and the part maps in the form that is read. Things in the background have no map there: they are where
the picture changes when one is left out. Needs NumPy and Pillow.
"""
import argparse
import itertools
import json
import os

import numpy as np
from PIL import Image

PARTS_BY_COLOUR = {(255, 255, 253): "eye", (255, 255, 254): "eye", (255, 255, 0): "beak", (255, 0, 1): "foot", (255, 0, 2): "foot",
                   (0, 255, 1): "wing", (0, 255, 2): "wing", (0, 0, 255): "tail"}
DIFFERENCE = 12  # of 255: less is noise of the renderer


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def load(root, name):
    with open(os.path.join(root, name)) as f:
        return json.load(f)


def minimal(classes, label):
    """The smallest-by-inclusion sets of parts that no other class shares as a whole."""
    mine, found = classes[label]["parts"], []
    for size in range(1, len(mine) + 1):
        for some in itertools.combinations(mine, size):
            if any(set(smaller) <= set(some) for smaller in found):
                continue
            if not any(all(other["parts"][p] == mine[p] for p in some) for i, other in enumerate(classes) if i != label):
                found.append(some)
    return [list(some) for some in found] or [list(mine)]


def shared(classes, label):
    """Two classes that share two parts each with this one, and not the same ones."""
    mine = classes[label]["parts"]
    held = [(i, [p for p in mine if other["parts"][p] == mine[p]]) for i, other in enumerate(classes) if i != label]
    twos = [(i, parts) for i, parts in held if len(parts) == 2]
    for (a, of_a), (b, of_b) in itertools.combinations(twos, 2):
        if not set(of_a) & set(of_b):
            return [{"class": a, "parts": of_a}, {"class": b, "parts": of_b}]
    return []


def convert(root, out, mode, names, classes, number, label):
    stem = os.path.join(str(label), "%06d" % number)
    image = os.path.join(root, mode, stem + ".png")
    changed = os.path.join(root, mode + "_interventions", stem)
    seen = pixels(os.path.join(root, mode + "_part_map", stem + ".png"))
    units = np.zeros(seen.shape[:2], np.uint8)
    for colour, part in PARTS_BY_COLOUR.items():
        if part in names:
            units[(seen == colour).all(axis=2)] = 1 + names.index(part)
    without = []
    for size in range(1, len(names) + 1):
        for gone in itertools.combinations(names, size):
            left = os.path.join(changed, "body_" + "_".join(sorted(set(names) - set(gone))) + ".png")
            if os.path.exists(left):
                without.append({"gone": list(gone), "image": os.path.abspath(left)})
    behind, folder, picture = [], os.path.join(changed, "background_interventions"), pixels(image)
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        thing = "object " + os.path.splitext(file)[0]
        again = os.path.join(folder, file)
        behind.append(thing)
        without.append({"gone": [thing], "image": os.path.abspath(again)})
        units[(np.abs(pixels(again) - picture).max(axis=2) > DIFFERENCE) & (units == 0)] = len(names) + len(behind)
    kept = "%06d-map.png" % number
    Image.fromarray(units).save(os.path.join(out, kept))
    return {"image": os.path.abspath(image), "id": "%06d" % number, "label": label, "map": kept, "parts": names, "background": behind,
            "without": without, "minimal": minimal(classes, label), "shared": shared(classes, label)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("funnybirds")
    parser.add_argument("folder")
    parser.add_argument("--mode", default="test")
    parser.add_argument("--limit", type=int)
    a = parser.parse_args()
    classes = sorted(load(a.funnybirds, "classes.json"), key=lambda c: c["class_idx"])
    names = list(load(a.funnybirds, "parts.json"))
    os.makedirs(a.folder, exist_ok=True)
    with open(os.path.join(a.folder, "parts.jsonl"), "w") as out:
        for number, scene in enumerate(load(a.funnybirds, "dataset_%s.json" % a.mode)[:a.limit]):
            out.write(json.dumps(convert(a.funnybirds, a.folder, a.mode, names, classes, number, scene["class_idx"])) + "\n")


if __name__ == "__main__":
    main()
