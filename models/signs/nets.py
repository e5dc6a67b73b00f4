# SPDX-License-Identifier: Apache-2.0
"""The two networks as PyTorch modules.

Both give `features(x)`, the map of the last convolutional stage after its ReLU (N x C x 12 x 12),
and `head(maps)`, the logits.  One cell of that map sees about half the sign, not all of it (47 and
46 pixels), so that a class map can lie on the telling detail rather than all over the sign.
"""
import onnx
import torch
from onnx import numpy_helper
from torch import nn

CLASS_COUNT = 24
MEAN, STD = .5, .25   # input value = (pixel / 255 - MEAN) / STD


def normalised(pictures):
    """uint8 N x H x W x 3 -> float32 N x 3 x H x W as the networks take it."""
    tensor = torch.as_tensor(pictures).permute(0, 3, 1, 2).float()
    return (tensor / 255 - MEAN) / STD


class Block(nn.Module):
    """The basic residual block: two 3x3 convolutions and a short cut."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        short = x if self.shortcut is None else self.shortcut(x)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + short)


class SignsResNet(nn.Module):
    """Residual network: three stages (48, 24 and 12 cells a side), global average pool, one linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.stage1 = Block(16, 16, 1)
        self.stage2 = Block(16, 48, 2)
        self.stage3 = Block(48, 128, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, CLASS_COUNT)

    def features(self, x):
        return self.stage3(self.stage2(self.stage1(self.stem(x))))

    def head(self, maps):
        return self.fc(torch.flatten(self.pool(maps), 1))

    def forward(self, x):
        return self.head(self.features(x))


def _conv(inputs, outputs, norm):
    layers = [nn.Conv2d(inputs, outputs, 3, 1, 1, bias=not norm)]
    return layers + ([nn.BatchNorm2d(outputs)] if norm else []) + [nn.ReLU()]


class SignsVgg(nn.Module):
    """VGG: five convolutions with max-pools between, then three linear layers.

    It is trained with batch normalisation (norm=True), which `folded` then works into the
    convolutions: the network that is shipped has plain convolutions with biases.
    """

    def __init__(self, norm=False):
        super().__init__()
        layers = _conv(3, 16, norm) + [nn.MaxPool2d(2)] + _conv(16, 32, norm) + [nn.MaxPool2d(2)]
        layers += _conv(32, 64, norm) + _conv(64, 64, norm) + [nn.MaxPool2d(2)] + _conv(64, 128, norm)
        self.convs = nn.Sequential(*layers)
        self.pool = nn.MaxPool2d(12)
        self.fc1 = nn.Linear(128, 96)
        self.fc2 = nn.Linear(96, 64)
        self.fc3 = nn.Linear(64, CLASS_COUNT)
        self.drop = nn.Dropout(.5 if norm else 0)

    def features(self, x):
        return self.convs(x)

    def head(self, maps):
        x = self.drop(torch.flatten(self.pool(maps), 1))
        x = torch.relu(self.fc1(x))
        return self.fc3(torch.relu(self.fc2(x)))

    def forward(self, x):
        return self.head(self.features(x))

    def folded(self):
        """The same function without batch normalisation."""
        plain = SignsVgg(norm=False)
        kept = []
        for layer, following in zip(self.convs, list(self.convs[1:]) + [None]):
            if isinstance(layer, nn.Conv2d):
                kept.append(nn.utils.fuse_conv_bn_eval(layer.eval(), following.eval()))
            elif not isinstance(layer, nn.BatchNorm2d):
                kept.append(layer)
        plain.convs = nn.Sequential(*kept)
        for name in ("fc1", "fc2", "fc3"):
            getattr(plain, name).load_state_dict(getattr(self, name).state_dict())
        return plain.eval()


def for_training(name):
    return {"signs-resnet": SignsResNet, "signs-vgg": lambda: SignsVgg(norm=True)}[name]()


def for_use(net):
    """The trained network as it is shipped."""
    return net.folded() if isinstance(net, SignsVgg) else net.eval()


def from_onnx(path):
    """The network of a model.onnx as a PyTorch module: the weights of the file under the names they have here."""
    weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
               for tensor in onnx.load(str(path)).graph.initializer}
    net = SignsResNet() if "stem.0.weight" in weights else SignsVgg(norm=False)
    # The count of batches seen is a notebook entry of training, and no part of the function.
    missing, unexpected = net.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError("%s: missing %s, unexpected %s" % (path, missing, unexpected))
    return net.eval()


def multiply_accumulates(net):
    """Multiply-accumulate operations of the convolutions and linear layers for one picture."""
    total = [0]

    def count(layer, _, output):
        if isinstance(layer, nn.Conv2d):
            total[0] += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total[0] += layer.weight.numel()
    hooks = [layer.register_forward_hook(count) for layer in net.modules()]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 96, 96))
    for hook in hooks:
        hook.remove()
    return total[0]


if __name__ == "__main__":
    for made in (SignsResNet(), SignsVgg()):
        count = sum(weight.numel() for weight in made.parameters())
        print(type(made).__name__, count, "weights,", multiply_accumulates(made) / 1e6, "million multiply-accumulates")
