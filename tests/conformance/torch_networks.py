"""Networks as torch exports them: each must load, lower and agree with torch to 1e-5 of its largest logit.

    torch_networks.py --program onnx_conformance [--backend ref,...] [--keep FOLDER]

Random weights, small pictures, two at a time. Exit 77 without torch, torchvision or onnx.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy
    import onnx.numpy_helper
    import torch
    import torch.nn as nn
    import torchvision.models as zoo
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


class TwoBranches(nn.Module):
    """What the zoo leaves out: transposed and grouped convolutions, resizing, norms, splits, gates, odd pads."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.groups = nn.GroupNorm(2, 8)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=2, dilation=2, groups=4)
        self.up = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False)
        self.up_norm = nn.BatchNorm2d(8)
        self.prelu = nn.PReLU(8)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.mean = nn.AvgPool2d(3, 2, padding=1, ceil_mode=True)
        self.head = nn.Linear(24, 7)

    def forward(self, x):
        x = self.groups(self.norm(self.stem(nn.functional.pad(x, (1, 2, 0, 1), mode="reflect"))))
        y = self.prelu(self.up_norm(self.up(nn.functional.hardswish(self.down(x)))))
        y = nn.functional.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        z = nn.functional.interpolate(nn.functional.elu(x), scale_factor=2, mode="nearest")
        first, second = torch.split(self.pool(z), 4, dim=1)
        gate = torch.sigmoid(self.mean(z).mean(dim=(2, 3), keepdim=True))
        parts = [y[:, :, ::2, 1:-1].flatten(2).max(dim=2)[0], (first * second).sum(dim=(2, 3)).tanh(),
                 torch.softmax(gate.flatten(1), 1), torch.clamp(z.amax(dim=(2, 3)), -1, 1)[:, :4]]
        return self.head(torch.cat(parts, 1))


def settle(net):
    """Batch-norms get statistics that are not 0 and 1, so that folding them wrongly shows."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
    return net.eval()


def small_head(vgg):
    """A picture of 32 cells leaves a map of one: three linear layers all the same, but not of 120 million weights."""
    vgg.avgpool = nn.Identity()
    vgg.classifier[0] = nn.Linear(512, 64)
    vgg.classifier[3] = nn.Linear(64, 64)
    vgg.classifier[6] = nn.Linear(64, 100)
    return vgg


def networks():
    """Name, network, side of the picture."""
    yield "two_branches", TwoBranches(), 24
    yield "alexnet", zoo.alexnet(weights=None), 224
    yield "vgg11", small_head(zoo.vgg11(weights=None)), 32
    yield "vgg16_bn", small_head(zoo.vgg16_bn(weights=None)), 32
    yield "resnet18", zoo.resnet18(weights=None), 64
    yield "densenet121", zoo.densenet121(weights=None), 64
    yield "mobilenet_v2", zoo.mobilenet_v2(weights=None), 64
    yield "squeezenet1_1", zoo.squeezenet1_1(weights=None), 64


def write_tensor(path, name, value):
    with open(path, "wb") as file:
        file.write(onnx.numpy_helper.from_array(value.numpy(), name).SerializeToString())


def export(net, side, folder, opset, folded):
    """A case in the standard's layout. Not folded: batch-norms stay in the file."""
    os.makedirs(folder + "/test_data_set_0")
    x = torch.randn(2, 3, side, side)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = net(x)
        torch.onnx.export(net, x, folder + "/model.onnx", opset_version=opset, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, do_constant_folding=folded,
                          training=torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE)
    write_tensor(folder + "/test_data_set_0/input_0.pb", "x", x)
    write_tensor(folder + "/test_data_set_0/output_0.pb", "y", y)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--backend", default="ref")
    parser.add_argument("--keep")
    options = parser.parse_args()
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or scratch
        names = []
        for name, net, side in networks():
            opsets = (11, 13, 16) if name == "two_branches" else (13,)
            for opset in opsets:
                names.append(f"{name}_opset{opset}")
                export(settle(net), side, f"{folder}/{names[-1]}", opset, folded=False)
        with open(folder + "/must.txt", "w") as file:
            file.write("\n".join(names) + "\n")
        status = 0
        for backend in options.backend.split(","):
            code = subprocess.call([options.program, "--backend", backend, "--picture", "--must", folder + "/must.txt", folder])
            status |= 0 if code == 77 else code
        return status


if __name__ == "__main__":
    sys.exit(main())
