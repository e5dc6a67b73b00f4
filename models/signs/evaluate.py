# SPDX-License-Identifier: Apache-2.0
"""Measures a network: accuracy on fresh hard pictures, and whether "why P, rather than Q?" falls on the detail.

    evaluate.py ../signs-resnet/model.onnx [--json OUT.json] [--overlay OUT.png]

Localisation, for each confusable pair (P, Q): pictures of P; the contrastive Grad-CAM map, seeded
with e_P - e_Q at the last convolutional stage; the pixels in which P and Q differ under the very
same conditions, dilated by DILATE pixels.  `inside` is the share of the map's mass on those pixels,
`plain` the same of the plain Grad-CAM map of P, `area` the share of the picture that they are, `peak`
how often the map's greatest value lies on them, `empty` how many maps have no positive value at all.
"""
import argparse
import json

import numpy as np
import torch
from PIL import Image, ImageFilter

import dataset
import nets
from designs import CLASSES, confusable_pairs
from render import SIZE, difference_mask, draw_conditions, montage, render

DILATE = 4
LOCALISATION_SEED = 70000000


def contrast_maps(net, pictures, p, q):
    """Contrastive Grad-CAM of each picture, or plain Grad-CAM where q is None: N x 12 x 12, negative values cut off."""
    maps = net.features(nets.normalised(pictures)).detach().requires_grad_(True)
    logits = net.head(maps)
    seed = logits[:, p] if q is None else logits[:, p] - logits[:, q]
    gradient, = torch.autograd.grad(seed.sum(), maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * maps).sum(1)).detach()


def enlarged(maps):
    """Class maps at the size of the picture."""
    return torch.nn.functional.interpolate(maps[:, None], (SIZE, SIZE), mode="bilinear", align_corners=False)[:, 0]


def dilated(mask):
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(2 * DILATE + 1))) > 0


def scene(p, q, number, level):
    conditions = draw_conditions(LOCALISATION_SEED + number, level)
    return render(p, conditions), dilated(difference_mask(p, q, conditions))


def shares_inside(large, telling):
    """The share of each map's mass that lies on the telling pixels."""
    return (large * telling).sum(axis=(1, 2)) / np.maximum(large.sum(axis=(1, 2)), 1e-9)


def localisation(net, p, q, count, level="hard"):
    scenes = [scene(p, q, number, level) for number in range(count)]
    pictures, telling = np.stack([one for one, _ in scenes]), np.stack([one for _, one in scenes])
    large = enlarged(contrast_maps(net, pictures, CLASSES.index(p), CLASSES.index(q))).numpy()
    plain = enlarged(contrast_maps(net, pictures, CLASSES.index(p), None)).numpy()
    peak = [telling[index].ravel()[one.argmax()] for index, one in enumerate(large)]
    return {"inside": float(shares_inside(large, telling).mean()), "plain": float(shares_inside(plain, telling).mean()),
            "area": float(telling.mean()), "peak": float(np.mean(peak)),
            "empty": int((large.sum(axis=(1, 2)) <= 0).sum())}


def overlay(picture, class_map, telling):
    """Picture; picture under its class map; picture under the pixels that differ."""
    def shaded(values):
        heat = np.stack([values * 255, values * 40, (1 - values) * 90], axis=2)
        share = (.25 + .45 * values)[:, :, None]
        return (picture * (1 - share) + heat * share).astype(np.uint8)
    return [picture, shaded(class_map / max(class_map.max(), 1e-9)), shaded(telling.astype(np.float32))]


def overlays(net, each=3, level="hard"):
    tiles = []
    for p, q in confusable_pairs():
        for number in range(each):
            picture, telling = scene(p, q, number, level)
            small = contrast_maps(net, picture[None], CLASSES.index(p), CLASSES.index(q))
            tiles += overlay(picture, enlarged(small)[0].numpy(), telling)
    return montage(tiles, 3 * each)


def predictions(net, pictures):
    with torch.no_grad():
        return np.concatenate([net(nets.normalised(pictures[start:start + 100])).argmax(1).numpy()
                               for start in range(0, len(pictures), 100)])


def measured(net, count):
    pictures, labels = dataset.load("test", dataset.TEST_COUNT)
    guesses = predictions(net, pictures)
    result = {"accuracy": float((guesses == labels).mean()), "pairs": {}, "classes": {}}
    for index, name in enumerate(CLASSES):
        result["classes"][name] = float((guesses[labels == index] == index).mean())
    for p, q in confusable_pairs():
        either = np.isin(labels, [CLASSES.index(p), CLASSES.index(q)])
        entry = {"accuracy": float((guesses[either] == labels[either]).mean()),
                 "taken for each other": int((either & (guesses != labels) &
                                              np.isin(guesses, [CLASSES.index(p), CLASSES.index(q)])).sum())}
        entry.update(localisation(net, p, q, count))
        result["pairs"]["%s / %s" % (p, q)] = entry
    return result


def show(result):
    print("accuracy %.2f %%; lowest class %.1f %%" % (100 * result["accuracy"], 100 * min(result["classes"].values())))
    for pair, entry in result["pairs"].items():
        print("%-42s acc %5.1f %%  inside %4.2f  plain %4.2f  area %4.2f  ratio %4.1f  peak %4.2f  empty %d" % (
            pair, 100 * entry["accuracy"], entry["inside"], entry["plain"], entry["area"],
            entry["inside"] / entry["area"], entry["peak"], entry["empty"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="model.onnx")
    parser.add_argument("--count", type=int, default=50, help="pictures of each pair")
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--overlay", help="PNG file for class maps over pictures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net = nets.from_onnx(arguments.model)
    result = measured(net, arguments.count)
    show(result)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(result, file, indent=2)
    if arguments.overlay:
        overlays(net).save(arguments.overlay)


if __name__ == "__main__":
    main()
