# SPDX-License-Identifier: Apache-2.0
"""Writes a model folder from trained weights: export.py signs-resnet WEIGHTS.pt FOLDER

model.onnx keeps the residual network's BatchNormalization nodes; nothing is folded on the way.
"""
import argparse
import json
import pathlib

import numpy as np
import onnx
import torch
from PIL import Image

import nets
from designs import CLASSES
from render import draw_conditions, render

SAMPLE_SEED = 90000000
DESCRIPTIONS = {
    "signs-resnet": "Traffic signs in all weathers: a small residual network, 24 classes, trained on rendered pictures",
    "signs-vgg": "Traffic signs in all weathers: a small VGG with three linear layers, 24 classes, "
                 "trained on rendered pictures",
}
# (label, why not, level, number): one picture of each member of the pairs that people ask about.
SAMPLES = [
    ("no right turn", "no left turn", "normal", 1),
    ("no left turn", "no right turn", "hard", 2),
    ("turn right ahead", "turn left ahead", "normal", 3),
    ("turn left ahead", "turn right ahead", "hard", 4),
    ("speed limit 30", "speed limit 80", "normal", 5),
    ("speed limit 50", "speed limit 30", "hard", 6),
    ("speed limit 80", "speed limit 30", "normal", 7),
    ("keep right", "keep left", "hard", 8),
    ("keep left", "keep right", "normal", 9),
    ("curve right", "curve left", "normal", 10),
    ("no stopping", "no parking", "normal", 11),
    ("end of priority road", "priority road", "hard", 12),
]


def without_aliases(model):
    """Gives each weight a tensor of its own where the exporter made equal ones share one through Identity."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in [node for node in model.graph.node if node.op_type == "Identity" and node.input[0] in tensors]:
        copy = model.graph.initializer.add()
        copy.CopyFrom(tensors[node.input[0]])
        copy.name = node.output[0]
        model.graph.node.remove(node)


def to_onnx(net, path):
    torch.onnx.export(net, torch.zeros(1, 3, 96, 96), str(path), opset_version=13, input_names=["input"],
                      output_names=["logits"], dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}},
                      do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)
    model = onnx.load(str(path))
    without_aliases(model)
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def write_samples(folder):
    folder.mkdir(parents=True, exist_ok=True)
    listed, seen = [], {}
    for label, why_not, level, number in SAMPLES:
        seen[label] = seen.get(label, 0) + 1
        name = "%s-%d.png" % (label.replace(" ", "-"), seen[label])
        Image.fromarray(render(label, draw_conditions(SAMPLE_SEED + number, level))).save(folder / name)
        listed.append({"file": "samples/" + name, "label": label, "why_not": why_not})
    return listed


def manifest(name, samples):
    return {
        "name": name,
        "version": "1",
        "description": DESCRIPTIONS[name],
        "model": "model.onnx",
        "labels": "labels.txt",
        "input": {"name": "input", "layout": "NCHW", "channels": "RGB", "resize": "squash", "size": [96, 96],
                  "scale": 0.00392156862745098, "mean": [nets.MEAN] * 3, "std": [nets.STD] * 3},
        "output": {"name": "logits"},
        "layer": "auto",
        "samples": samples,
        "license": "Apache-2.0",
    }


def manifest_text(content):
    """JSON with one sample a line, and the short lists of numbers on one line."""
    samples = ",\n".join("    " + json.dumps(sample) for sample in content["samples"])
    lines = []
    for key, value in content.items():
        if key == "samples":
            lines.append('  "samples": [\n%s\n  ]' % samples)
        else:
            lines.append("  %s: %s" % (json.dumps(key), json.dumps(value)))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=sorted(DESCRIPTIONS))
    parser.add_argument("weights")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    net = nets.for_training(arguments.net)
    net.load_state_dict(torch.load(arguments.weights))
    net = nets.for_use(net.eval())
    path = arguments.folder / "model.onnx"
    to_onnx(net, path)
    x = torch.from_numpy(np.random.RandomState(1).standard_normal((4, 3, 96, 96)).astype(np.float32))
    with torch.no_grad():
        if not torch.equal(net(x), nets.from_onnx(path)(x)):
            raise SystemExit("the file does not hold the network that was trained")
    (arguments.folder / "labels.txt").write_text("".join(name + "\n" for name in CLASSES))
    samples = write_samples(arguments.folder / "samples")
    (arguments.folder / "manifest.json").write_text(manifest_text(manifest(arguments.net, samples)))


if __name__ == "__main__":
    main()
