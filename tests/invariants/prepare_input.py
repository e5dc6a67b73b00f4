#!/usr/bin/env python3
"""Preprocesses pictures as the "preprocessing" of a network's .json says, with Pillow and NumPy: prepare_input.py NET.json OUT.npy PICTURE..."""
import json
import sys

import numpy as np
from PIL import Image


def resized(image, spec):
    if spec.get("resize_exact"):
        height, width = spec["resize_exact"]
        return image.resize((width, height), Image.BILINEAR)
    short = spec.get("resize_short_side")
    if not short:
        return image
    w, h = image.size
    size = (short, int(short * h / w)) if w < h else (int(short * w / h), short)
    return image.resize(size, Image.BILINEAR)


def cropped(image, spec):
    size = spec.get("crop")
    if not size:
        return image
    left, top = int(round((image.width - size) / 2)), int(round((image.height - size) / 2))
    return image.crop((left, top, left + size, top + size))


def prepare(path, spec):
    rgb = np.asarray(cropped(resized(Image.open(path).convert("RGB"), spec), spec), np.float32)
    if spec["channel_order"] == "BGR":
        rgb = rgb[:, :, ::-1]
    z = (rgb * np.float32(spec["pixel_scale"]) - np.float32(spec["mean"])) / np.float32(spec["std"])
    return z.transpose(2, 0, 1).astype("<f4")


if __name__ == "__main__":
    preprocessing = json.load(open(sys.argv[1]))["preprocessing"]
    np.save(sys.argv[2], np.ascontiguousarray(np.stack([prepare(p, preprocessing) for p in sys.argv[3:]])))
