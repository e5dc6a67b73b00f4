"""Pictures of the bundled signs, as many of each class, some with a wrong label. Needs NumPy and Pillow.

    flipped_signs.py FOLDER [COUNT [FLIPPED [SEED [WORN]]]]

draws COUNT pictures and writes, for each of two ways to be wrong, FOLDER/WAY.csv (image,label) and FOLDER/WAY.json ({image: true class}):
WAY is `confusable`, where the wrong label is a sign that differs in one detail, or `random`, any other. WORN 1: the pictures are shrunk to 22 pixels,
enlarged again and given noise, so that the networks are often wrong.
"""
import csv
import json
import multiprocessing
import os
import random
import sys

ROOT = os.environ.get("WHYNOT_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "models", "signs"))
try:
    import numpy as np
    from PIL import Image
    from render import CLASSES, confusable_pairs, draw_conditions, render
except ImportError:
    print("skipped: NumPy and Pillow are not installed")
    sys.exit(77)

SEED = 70000000  # none of training's, none of the evaluation's
WAYS = ("confusable", "random")


def wear(picture, rng):
    small = Image.fromarray(picture).resize((22, 22), Image.BILINEAR).resize(picture.shape[1::-1], Image.BICUBIC)
    return np.clip(np.asarray(small, float) + rng.normal(0, 28, picture.shape), 0, 255).astype(np.uint8)


def draw(job):
    folder, number, seed, worn = job
    picture = render(CLASSES[number % len(CLASSES)], draw_conditions(SEED + 100000 * seed + number, "hard"))
    if worn:
        picture = wear(picture, np.random.RandomState(number))
    Image.fromarray(picture).save(os.path.join(folder, "%04d.png" % number), compress_level=1)


def wrong(rng, label, way):
    near = [q if p == label else p for p, q in confusable_pairs() if label in (p, q)]
    return rng.choice(near if way == "confusable" else [c for c in CLASSES if c != label])


def flip(folder, count, flipped, way, rng):
    has_twin = {sign for pair in confusable_pairs() for sign in pair}
    labels = [CLASSES[i % len(CLASSES)] for i in range(count)]
    chosen = rng.sample([i for i in range(count) if way == "random" or labels[i] in has_twin], flipped)
    truth = {"%04d.png" % i: labels[i] for i in sorted(chosen)}
    for i in chosen:
        labels[i] = wrong(rng, labels[i], way)
    with open(os.path.join(folder, way + ".csv"), "w", newline="") as out:
        csv.writer(out).writerows([("image", "label"), *(("%04d.png" % i, label) for i, label in enumerate(labels))])
    with open(os.path.join(folder, way + ".json"), "w") as out:
        json.dump(truth, out)


def make(folder, count=1000, flipped=50, seed=0, worn=0):
    os.makedirs(folder, exist_ok=True)
    with multiprocessing.Pool(min(2, os.cpu_count())) as pool:
        pool.map(draw, [(folder, i, seed, worn) for i in range(count)], chunksize=16)
    for way in WAYS:
        flip(folder, count, flipped, way, random.Random("%s %d" % (way, seed)))


if __name__ == "__main__":
    make(sys.argv[1], *map(int, sys.argv[2:]))
