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


def main():
    folder, names = Path(sys.argv[1]), sys.argv[2:] or ["vgg16", "densenet121"]
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    for name in names:
        model = getattr(torchvision.models, name)(weights=None).eval()
        if "densenet" in name or "bn" in name:
            settle(model)
        # The exporter that writes one plain file, where there are two.
        how = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        torch.onnx.export(model, torch.randn(1, 3, 224, 224), folder / f"{name}.onnx", opset_version=13,
                          input_names=["input"], output_names=["logits"], **how)
        print(folder / f"{name}.onnx")


if __name__ == "__main__":
    main()
