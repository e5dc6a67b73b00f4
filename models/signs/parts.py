# SPDX-License-Identifier: Apache-2.0
"""Draws pictures of signs without their parts, one by one and together, as `whynot evaluate --suite parts` reads them.

    parts.py FOLDER [--count 240] [--level normal] [--jobs 2]

parts.jsonl has a line for each picture: {"image", "label", "map", "parts", "background", "without", "minimal", "shared"}.
map is a grey picture: i + 1 where unit i of parts + background is seen.  without lists the picture drawn again, without each set
of parts but the empty one, and without each thing of the background.  minimal lists the smallest sets of parts with which the
sign's design is like no other class's: what is enough to tell it.  shared names two classes, each with parts that look like some of
this one's (half of their area at least is the same) and that the other class has not; where the designs have no such two, it is empty.
"""
import argparse
import functools
import itertools
import json
import multiprocessing
import os

import numpy as np
from PIL import Image

from designs import CLASSES, DESIGNS, part_masks
from render import background_objects, draw_conditions, part_map, parts, render

SEED = 95000000  # none of training's, none of the other benchmarks'
MOST_PARTS = 6   # 63 pictures
DIFFERENCE = 12  # of 255


@functools.lru_cache(maxsize=None)
def overlap(name, i, other, k):
    """Intersection over union of two parts, seen straight on."""
    a, b = part_masks(name)[i] > .5, part_masks(other)[k] > .5
    return (a & b).sum() / max((a | b).sum(), 1)


def has(name, i, other, least=.98, any_colour=False):
    """Whether the other class's design has part i of this one: same place, shape and, unless any will do, colour."""
    colour = DESIGNS[name][i].colour
    return any(overlap(name, i, other, k) >= least and (any_colour or part.colour == colour) for k, part in enumerate(DESIGNS[other]))


def minimal(name):
    """The smallest sets of parts that no other class's design holds as a whole; all parts where another class holds even those."""
    design = DESIGNS[name]
    for size in range(1, len(design) + 1):
        found = [[design[i].name for i in some] for some in itertools.combinations(range(len(design)), size)
                 if not any(all(has(name, i, other) for i in some) for other in CLASSES if other != name)]
        if found:
            return found
    return [[part.name for part in design]]


def shared(name):
    """Two classes with disjoint sets of parts like this one's: frames of the same colour, symbols of any; as many parts as there are."""
    held = {other: {part.name for i, part in enumerate(DESIGNS[name]) if has(name, i, other, .5, part.name not in ("plate", "border"))}
            for other in CLASSES if other != name}
    pairs = [(a, b) for a, b in itertools.combinations(held, 2) if held[a] and held[b] and not held[a] & held[b]]
    if not pairs:
        return []
    best = max(pairs, key=lambda pair: min(len(held[pair[0]]), len(held[pair[1]])))
    return [{"class": other, "parts": sorted(held[other])} for other in best]


def draw(job):
    number, name, level, folder = job
    conditions = draw_conditions(SEED + number, level)
    names, behind = parts(name), list(dict.fromkeys(background_objects(conditions)))
    picture = render(name, conditions)
    units, _ = part_map(name, conditions)
    row = {"image": "%05d.png" % number, "label": name, "map": "%05d-map.png" % number, "parts": names, "background": behind,
           "without": [], "minimal": minimal(name), "shared": shared(name)}
    Image.fromarray(picture).save(os.path.join(folder, row["image"]))
    sets = [list(some) for size in range(1, len(names) + 1) for some in itertools.combinations(names, size)]
    for k, gone in enumerate(sets + [[thing] for thing in behind]):
        again = render(name, conditions, leave_out=gone)
        file = "%05d-without-%02d.png" % (number, k)
        Image.fromarray(again).save(os.path.join(folder, file), compress_level=1)
        row["without"].append({"gone": gone, "image": file})
        if gone[0] in behind:
            seen = np.abs(again.astype(int) - picture).max(axis=2) > DIFFERENCE
            units[seen & (units == 0)] = 1 + len(names) + behind.index(gone[0])
    Image.fromarray(units).save(os.path.join(folder, row["map"]))
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--level", default="normal", choices=["easy", "normal", "hard"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    names = [name for name in CLASSES if 2 <= len(parts(name)) <= MOST_PARTS]
    with multiprocessing.Pool(arguments.jobs) as pool:
        rows = pool.map(draw, [(i, names[i % len(names)], arguments.level, arguments.folder) for i in range(arguments.count)], chunksize=2)
    with open(os.path.join(arguments.folder, "parts.jsonl"), "w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
