#!/usr/bin/env python3
"""Writes torchvision architectures with random weights as ONNX files, for networks whose weights are not at hand.

    make_networks.py FOLDER [ARCH ...]        default: vgg16 densenet121
"""
import inspect
import sys
from pathlib import Path

import torch
import torchvision


def settle(model):
    """Batch-norms as after training: without it random deep networks overflow or die."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(4, 3, 224, 224))
    return model.eval()


def write(model, path):
    def export(**how):
        # Under another name until it is whole: a part of a network would be taken for it.
        part = path.with_suffix(".part")
        torch.onnx.export(model, torch.randn(1, 3, 224, 224), part, input_names=["input"], output_names=["logits"], **how)
        part.replace(path)

    known = inspect.signature(torch.onnx.export).parameters
    if "dynamo" not in known:
        return export(opset_version=13)
    try:
        export(opset_version=13, dynamo=False)  # the exporter that writes one plain file, where there are two
    except Exception as why:  # it is on its way out, and may be gone
        print(f"{path.name}: not with dynamo=False: {why}", file=sys.stderr)
        export(opset_version=18, **({"external_data": False} if "external_data" in known else {}))


def main():
    folder, names = Path(sys.argv[1]), sys.argv[2:] or ["vgg16", "densenet121"]
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    for name in names:
        model = getattr(torchvision.models, name)(weights=None).eval()
        if "densenet" in name or "bn" in name:
            settle(model)
        write(model, folder / f"{name}.onnx")
        print(folder / f"{name}.onnx")


if __name__ == "__main__":
    main()
