# SPDX-License-Identifier: Apache-2.0
"""Draws pictures for which the answer to "why P, rather than Q?" is known, as `whynot evaluate` reads them.

    contrast_truth.py FOLDER [--count 2000] [--level hard] [--dilate 4] [--truth difference] [--jobs 2]

Each picture shows P; beside it lie the pixels in which P and Q differ when both are drawn under the very
same conditions (the truth), the picture of Q under those conditions (the counterfactual: the same picture
with Q's pixels pasted), and the picture of P with Q's pixels pasted at another place, as a control.
"""
import argparse
import json
import multiprocessing
import os

import numpy as np
from PIL import Image, ImageFilter

from designs import confusable_pairs
from render import SIZE, difference_mask, draw_conditions, render, sign_mask

SEED = 90000000  # none of training's, none of evaluate.py's


def dilated(mask, pixels):
    if not pixels:
        return mask
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(2 * pixels + 1))) > 0


def pasted_elsewhere(picture, rival, mask, rng):
    """The rival's pixels, moved to where they cover as little of their own place as 64 draws allow."""
    ys, xs = np.nonzero(mask)
    best, least = (0, 0), len(ys) + 1
    for _ in range(64):
        dy, dx = rng.randint(-ys.min(), SIZE - ys.max()), rng.randint(-xs.min(), SIZE - xs.max())
        overlap = int(mask[ys + dy, xs + dx].sum())
        if overlap < least:
            best, least = (dy, dx), overlap
    result = picture.copy()
    result[ys + best[0], xs + best[1]] = rival[ys, xs]
    return result


def draw(job):
    number, p, q, level, dilate, what, folder = job
    conditions = draw_conditions(SEED + number, level)
    picture, rival = render(p, conditions), render(q, conditions)
    mask = difference_mask(p, q, conditions)
    if not mask.any():
        return None  # something stands in front of all that differs
    truth = sign_mask(p, conditions) if what == "sign" else dilated(mask, dilate)
    elsewhere = pasted_elsewhere(picture, rival, mask, np.random.RandomState(number))
    row = {"image": "%05d.png" % number, "label": p, "rival": q}
    for key, pixels in (("image", picture), ("truth", (truth * 255).astype(np.uint8)),
                        ("counterfactual", rival), ("elsewhere", elsewhere)):
        row[key] = "%05d%s.png" % (number, "" if key == "image" else "-" + key)
        Image.fromarray(pixels).save(os.path.join(folder, row[key]), compress_level=1)
    return row


def jobs(count, level, dilate, what, folder):
    pairs = [pair for p, q in confusable_pairs() for pair in ((p, q), (q, p))]
    for number in range(count):
        p, q = pairs[number % len(pairs)]
        yield number, p, q, level, dilate, what, folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--level", default="hard", choices=["easy", "normal", "hard"])
    parser.add_argument("--dilate", type=int, default=4, help="pixels by which the truth is grown: half a cell of the networks' last maps")
    parser.add_argument("--truth", default="difference", choices=["difference", "sign"], help="what the mask shows: the pixels that tell P from Q, or the whole sign")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    with multiprocessing.Pool(arguments.jobs) as pool:
        rows = pool.map(draw, jobs(arguments.count, arguments.level, arguments.dilate, arguments.truth, arguments.folder), chunksize=8)
    with open(os.path.join(arguments.folder, "pictures.jsonl"), "w") as out:
        for row in rows:
            if row:
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
