# SPDX-License-Identifier: Apache-2.0
"""The data set: pictures by number, rendered once and kept in a cache outside the repository."""
import hashlib
import multiprocessing
import os
import pathlib
import tempfile

import numpy as np

from conditions import draw_conditions
from designs import CLASSES
from render import SIZE, render

TRAIN_SEED = 1000000    # pictures TRAIN_SEED, TRAIN_SEED + 1, ...
TEST_SEED = 50000000    # far off: no picture of training is among the pictures of the test
TRAIN_COUNT = 38400
TEST_COUNT = 2400
_LEVEL_CYCLE = ("hard", "normal", "hard", "easy", "hard", "normal", "hard")


def train_item(number):
    """Picture and class index of a training picture: hard four times in seven."""
    label = number % len(CLASSES)
    level = _LEVEL_CYCLE[(number // len(CLASSES)) % len(_LEVEL_CYCLE)]
    return render(CLASSES[label], draw_conditions(TRAIN_SEED + number, level)), label


def test_item(number):
    """Picture and class index of a test picture: always hard."""
    label = number % len(CLASSES)
    return render(CLASSES[label], draw_conditions(TEST_SEED + number, "hard")), label


def _renderer_version():
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256()
    for name in ("designs.py", "conditions.py", "render.py", "dataset.py"):
        digest.update((here / name).read_bytes())
    return digest.hexdigest()[:12]


def load(split, count, jobs=2):
    """(pictures uint8 N x 96 x 96 x 3, labels int64) of the split "train" or "test"."""
    folder = pathlib.Path(os.environ.get("SIGNS_CACHE", os.path.join(tempfile.gettempdir(), "signs-data")))
    folder.mkdir(parents=True, exist_ok=True)
    cached = folder / ("%s-%d-%s.npy" % (split, count, _renderer_version()))
    labels = np.arange(count) % len(CLASSES)
    if cached.exists():
        return np.load(cached), labels
    item = {"train": train_item, "test": test_item}[split]
    pictures = np.empty((count, SIZE, SIZE, 3), np.uint8)
    with multiprocessing.Pool(jobs) as pool:
        for number, (picture, _) in enumerate(pool.imap(item, range(count), chunksize=96)):
            pictures[number] = picture
    partial = cached.with_suffix(".part.npy")
    np.save(partial, pictures)
    partial.rename(cached)
    return pictures, labels


if __name__ == "__main__":
    load("test", TEST_COUNT)
    load("train", TRAIN_COUNT)
