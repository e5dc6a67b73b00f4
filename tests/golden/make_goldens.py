#!/usr/bin/env python3
"""Makes the golden numbers that the C tests compare with, using PyTorch's autograd as the independent implementation.

    make_goldens.py DIR                     one small network per operator, into DIR
    make_goldens.py DIR --model FOLDER ...  besides, a bundled model: FOLDER/model.onnx and its sample pictures

Each network gives NAME.onnx and NAME.golden. A .golden file is a list of records, all little-endian:
    int32 name length, name, int32 rank, int32 dims[rank], float32 data
Records: input (N,C,H,W); logits (N,K); seed (N,K); gradient (N,C,h,w) of sum(seed*logits) at the layer; layer/NAME (rank 0);
and for each contrast c: seed.c (N,K), gradcam.c (N,h,w), la.c (N,h,w), P = the prediction, Q = the runner-up; for the contrast
"weighted" besides those of other_maps and ig.weighted, with 8 midpoint nodes.
"""
import argparse
import json
import pathlib
import struct
import sys
import warnings

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
import torch.nn as nn
import torch.nn.functional as F

IMAGES = 2
SIZE = 9


class Stem(nn.Module):
    """The layer under test is the stem's output, so every gradient passes through the block behind it."""

    def __init__(self, block, channels, spatial=True, width=4, k=5):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.block = block
        self.spatial = spatial
        self.head = nn.Linear(channels, k)

    def forward(self, x):
        a = torch.relu(self.conv(x))
        z = self.block(a)
        return self.head(z.mean((2, 3)) if self.spatial else z)


class Fn(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x)


class Placeholder(nn.Module):
    """The same network with an Erf where the block stands."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        z = torch.erf(torch.relu(self.net.conv(x)))
        return self.net.head(z.mean((2, 3)))


class PairOf(nn.Module):
    """Two branches of the stem, put together by an operator."""

    def __init__(self, a, b, join):
        super().__init__()
        self.a, self.b, self.join = a, b, join

    def forward(self, x):
        return self.join(self.a(x), self.b(x))


def batch_norm(channels):
    bn = nn.BatchNorm2d(channels)
    with torch.no_grad():
        bn.weight.uniform_(0.5, 1.5)
        bn.bias.uniform_(-0.5, 0.5)
        bn.running_mean.uniform_(-0.5, 0.5)
        bn.running_var.uniform_(0.5, 2.0)
    return bn


def networks():
    """name -> module, in a fixed order; the stem gives (N,4,9,9)."""
    conv = lambda o=4, k=3, **kw: nn.Conv2d(4, o, k, **{"padding": 1, **kw})
    linear = lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * SIZE * SIZE, 6))
    one = lambda fn, c=4: Stem(Fn(fn), c)
    yield "conv", Stem(conv(6, 3, stride=2, padding=1), 6)
    yield "conv_groups", Stem(conv(8, 3, groups=2, padding=(1, 0)), 8)
    yield "conv_depthwise", Stem(conv(8, 3, groups=4, dilation=2, padding=2, bias=False), 8)
    yield "conv_transpose", Stem(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), 6)
    yield "conv_transpose_groups", Stem(nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2), 6)
    yield "batch_norm_folded", Stem(nn.Sequential(conv(), batch_norm(4), nn.ReLU()), 4)
    yield "batch_norm_alone", Stem(nn.Sequential(nn.MaxPool2d(2), batch_norm(4)), 4)
    # Shifting a channel or taking its mean afterwards leaves nothing to explain: a convolution before, a curve behind.
    yield "instance_norm", Stem(nn.Sequential(conv(), nn.InstanceNorm2d(4, affine=True), nn.Tanh()), 4)
    yield "relu", Stem(nn.Sequential(conv(), nn.ReLU()), 4)
    yield "leaky_relu", Stem(nn.Sequential(conv(), nn.LeakyReLU(0.2)), 4)
    yield "prelu", Stem(nn.Sequential(conv(), nn.PReLU(4, 0.3)), 4)
    yield "clip", Stem(nn.Sequential(conv(), nn.Hardtanh(-0.2, 0.3)), 4)
    yield "relu6", Stem(nn.Sequential(conv(), Fn(lambda x: F.relu6(x * 20))), 4)
    yield "sigmoid", Stem(nn.Sequential(conv(), nn.Sigmoid()), 4)
    yield "tanh", Stem(nn.Sequential(conv(), nn.Tanh()), 4)
    yield "hard_sigmoid", Stem(nn.Sequential(conv(), Fn(lambda x: F.hardsigmoid(x * 5))), 4)
    yield "elu", Stem(nn.Sequential(conv(), nn.ELU(0.7)), 4)
    yield "softmax", Stem(nn.Sequential(conv(), nn.Softmax(1)), 4)
    yield "log_softmax", Stem(nn.Sequential(conv(), nn.LogSoftmax(1)), 4)
    yield "max_pool", Stem(nn.MaxPool2d(3, 2, 1), 4)
    yield "max_pool_ceil", Stem(nn.MaxPool2d(2, 2, ceil_mode=True), 4)
    yield "max_pool_dilated", Stem(nn.MaxPool2d(2, 1, dilation=3), 4)
    yield "average_pool", Stem(nn.AvgPool2d(3, 2, 1), 4)
    yield "average_pool_exclude", Stem(nn.AvgPool2d(3, 2, 1, count_include_pad=False), 4)
    yield "average_pool_ceil", Stem(nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), 4)
    yield "global_average_pool", Stem(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), 4, False)
    yield "gemm", Stem(nn.Sequential(linear(), nn.ReLU()), 6, False)
    yield "matmul", Stem(Fn(lambda x, w=torch.randn(SIZE, 7): torch.matmul(x, w)), 4)
    yield "matmul_pair", Stem(PairOf(conv(), conv(), torch.matmul), 4)
    yield "add", Stem(PairOf(conv(), nn.Identity(), torch.add), 4)
    yield "add_broadcast", Stem(PairOf(conv(), Fn(lambda x: x.mean((2, 3), keepdim=True)), torch.add), 4)
    yield "sub", Stem(PairOf(conv(), nn.Identity(), torch.sub), 4)
    yield "mul", Stem(PairOf(conv(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid()), torch.mul), 4)
    yield "div", Stem(PairOf(conv(), Fn(lambda x: x + 1.5), torch.div), 4)
    yield "neg", Stem(nn.Sequential(conv(), Fn(lambda x: torch.relu(-x))), 4)
    yield "abs", Stem(nn.Sequential(conv(), Fn(torch.abs)), 4)
    yield "exp", Stem(nn.Sequential(conv(), Fn(torch.exp)), 4)
    yield "log", one(lambda x: torch.log(x + 0.5))
    yield "sqrt", one(lambda x: torch.sqrt(x + 0.25))
    yield "pow", one(lambda x: torch.pow(x + 0.5, 1.7))
    yield "pow_square", Stem(nn.Sequential(conv(), Fn(lambda x: torch.pow(x, 2))), 4)
    yield "concat", Stem(PairOf(conv(3), nn.Identity(), lambda a, b: torch.cat((a, b), 1)), 7)
    yield "split", one(lambda x: (lambda a, b: a * 2 + torch.tanh(b))(*torch.split(x, 2, 1)), 2)
    yield "slice", one(lambda x: x[:, 1:3, 2:, ::2], 2)
    yield "pad", one(lambda x: F.pad(x, (1, 2, 0, 3), value=0.5))
    yield "pad_reflect", one(lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect") ** 2)
    yield "pad_edge", one(lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate") ** 2)
    yield "gather", one(lambda x: torch.index_select(x, 1, torch.tensor([2, 0, 2])) ** 2, 3)
    yield "flatten", Stem(nn.Flatten(), 4 * SIZE * SIZE, False)
    yield "reshape", Stem(Fn(lambda x: x.reshape(x.size(0), 2, 2 * SIZE, SIZE) ** 2), 2)
    yield "squeeze", Stem(Fn(lambda x: F.avg_pool2d(x, SIZE).squeeze(3).squeeze(2)), 4, False)
    yield "unsqueeze", Stem(Fn(lambda x: (x.mean(1).unsqueeze(1) * x)), 4)
    yield "transpose", Stem(Fn(lambda x: x.permute(0, 3, 1, 2) ** 2), SIZE)
    yield "shuffle", Stem(Fn(lambda x: x.reshape(x.size(0), 2, 2, SIZE, SIZE).transpose(1, 2).flatten(1, 2)[:, :3] ** 2), 3)
    yield "reduce_mean", one(lambda x: x.mean(1, keepdim=True) * x)
    yield "reduce_sum", one(lambda x: torch.tanh(x.sum(2, keepdim=True)) * x)
    yield "resize_nearest", one(lambda x: F.interpolate(x, scale_factor=2, mode="nearest") ** 2)
    yield "resize_linear", one(lambda x: F.interpolate(x, size=(14, 5), mode="bilinear", align_corners=False) ** 2)
    yield "resize_corners", one(lambda x: F.interpolate(x, size=(13, 17), mode="bilinear", align_corners=True) ** 2)
    yield "shape_arithmetic", Stem(Fn(lambda x: x.view(x.size(0), -1, x.size(2) // 3, x.size(3)) ** 2), 12)
    yield "residual", Stem(PairOf(nn.Sequential(conv(), batch_norm(4), nn.ReLU(), conv(), batch_norm(4)), nn.Identity(),
                                  lambda a, b: torch.relu(a + b)), 4)
    yield "vgg_head", Stem(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 16, 8), nn.ReLU(), nn.Dropout(),
                                         nn.Linear(8, 6), nn.ReLU()), 6, False)
    yield "pointwise_head", Stem(nn.Sequential(nn.Conv2d(4, 6, 1, padding=1), nn.ReLU()), 6)


# Older forms of operators whose attributes became inputs later, and the newest that the exporter knows.
OTHER_OPSETS = {9: ["clip", "pad", "split", "softmax", "squeeze", "unsqueeze", "reduce_sum", "resize_nearest"],
                17: ["conv", "residual", "vgg_head", "pad_edge", "resize_linear"]}


def swapped():
    """Operators that the exporter writes otherwise: name, block, the node to put in its place, opset."""
    make = onnx.helper.make_node
    yield "lrn", nn.LocalResponseNorm(3, alpha=0.5, beta=0.75, k=1.5), make(
        "LRN", ["x"], ["y"], size=3, alpha=0.5, beta=0.75, bias=1.5), 13
    yield "hard_swish", Fn(lambda x: F.hardswish(x)), make("HardSwish", ["x"], ["y"]), 14
    yield "global_max_pool", nn.AdaptiveMaxPool2d(1), make("GlobalMaxPool", ["x"], ["y"]), 13
    yield "sum", Fn(lambda x: x + x + x), make("Sum", ["x", "x", "x"], ["y"]), 13
    yield "dropout", nn.Dropout(0.5), make("Dropout", ["x"], ["y"]), 13
    yield "identity", nn.Identity(), make("Identity", ["x"], ["y"]), 13


# ---------------------------------------------------------------- contrasts, from their definitions
def softmax_without(y, skip):
    z = y.clone()
    z[skip] = -float("inf")
    return torch.softmax(z, 0)


def seeds(y):
    """In double precision: of a confident network 1 - p has no digits left in single."""
    y = y.double()
    p, q = torch.topk(y, 2).indices.tolist()
    one = lambda i: F.one_hot(torch.tensor(i), len(y)).double()
    prob = torch.softmax(y, 0)
    weighted = one(p) - softmax_without(y, p)
    return {
        "logit": one(p),
        "weighted": weighted,
        "pair": one(p) - one(q),
        "max": one(p) - one(q),
        "mean": one(p) - (1 - one(p)) / (len(y) - 1),
        "probability": prob[p] * (1 - prob[p]) * weighted,
        "cross-entropy": prob - one(q),
    }


def other_maps(x, a, g, gx):
    """Methods beside Grad-CAM and LA, each from its paper: activation a, its gradient g, the input's gradient gx."""
    positive, total = torch.relu(g), a.sum((2, 3), keepdim=True)
    alpha = torch.where(g != 0, g ** 2 / (2 * g ** 2 + total * g ** 3), torch.zeros_like(g))  # Grad-CAM++
    return {
        "hirescam": torch.relu((g * a).sum(1)),
        "layercam": (positive * a).sum(1),
        "gradcampp": ((alpha * positive).sum((2, 3), keepdim=True) * a).sum(1),
        "xgradcam": ((a * g / (total + 1e-7)).sum((2, 3), keepdim=True) * a).sum(1),
        "gradient": gx.sum(1),
        "ixg": (x * gx).sum(1),
    }


def path_map(net, x, v, steps=8):
    """Integrated Gradients of v.y, v held, from zeros to x, with a node in the middle of each step."""
    total = torch.zeros_like(x)
    for i in range(steps):
        z = ((i + 0.5) / steps * x).detach().requires_grad_(True)
        total += torch.autograd.grad((v * net(z)[0]).sum(), z)[0]
    return (x * total / steps).sum(1)


def records_of(net, x, layer):
    """net(x) -> (logits, activation of the layer with its graph)."""
    x = x.clone().requires_grad_(True)
    logits, a = net(x)
    out = [("layer/" + layer, None), ("input", x), ("logits", logits)]
    torch.manual_seed(7)
    v = torch.randn_like(logits)
    gradient, = torch.autograd.grad((v * logits).sum(), a, retain_graph=True)
    out += [("seed", v), ("gradient", gradient)]
    rows = [seeds(y.detach()) for y in logits]
    for name in rows[0]:
        v = torch.stack([r[name] for r in rows]).float()
        g, gx = torch.autograd.grad((v * logits).sum(), (a, x), retain_graph=True)
        if name == "weighted":
            out += [("%s.weighted" % m, t) for m, t in other_maps(x, a, g, gx).items()]
            out.append(("ig.weighted", path_map(net, x, v)))
        out += [("seed." + name, v), ("gradcam." + name, (g.mean((2, 3), keepdim=True) * a).sum(1)), ("la." + name, (g * a).sum(1))]
    return out


def write(path, records):
    with open(path, "wb") as f:
        for name, tensor in records:
            data = np.zeros(1, np.float32) if tensor is None else tensor.detach().numpy().astype("<f4")
            dims = [] if tensor is None else list(data.shape)
            f.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<%di" % (1 + len(dims)), len(dims), *dims))
            f.write(np.ascontiguousarray(data).tobytes())


# ---------------------------------------------------------------- relevance and multipliers, of a plain chain of layers
def handed_down(layers, acts, r, rule, eps=1e-6):
    """Relevance from layer to layer as the papers write it: shares of what each result is made of."""
    for layer, a in zip(reversed(layers), reversed(acts[:-1])):
        a = a.detach().requires_grad_(True)
        z = layer(a)
        if isinstance(layer, (nn.ReLU, nn.Flatten)):
            r = r.reshape(a.shape)
        elif isinstance(layer, nn.MaxPool2d):
            r, = torch.autograd.grad(z, a, r.reshape(z.shape))
        elif rule and isinstance(layer, nn.Conv2d):
            total = torch.zeros_like(a)
            for sign, factor in ((1, rule[0]), (-1, -rule[1])):
                if not factor:
                    continue
                part = lambda t: torch.relu(sign * t)
                f = lambda x, w, b: F.conv2d(x, w, b, layer.stride, layer.padding)
                up, down = torch.relu(a).detach().requires_grad_(True), torch.relu(-a).detach().requires_grad_(True)
                size = f(up, part(layer.weight), part(layer.bias)) + f(down, part(-layer.weight), None)
                gu, gd = torch.autograd.grad(size, (up, down), r / (size + eps))
                total = total + factor * (up * gu + down * gd)
            r = total.detach()
        else:
            share = r.reshape(z.shape) / (z + eps * torch.where(z < 0, -1.0, 1.0))
            r = (a * torch.autograd.grad(z, a, share.detach())[0]).detach()
    return r


def lifted(layers, acts, acts0, m):
    """DeepLIFT's multipliers, the rescale rule; max-pools window by window."""
    for layer, a, a0, z, z0 in list(zip(layers, acts, acts0, acts[1:], acts0[1:]))[::-1]:
        if isinstance(layer, nn.ReLU):
            d = a - a0
            still = d.abs() < 1e-7
            m = m * torch.where(still, (a > 0).to(d), (z - z0) / torch.where(still, torch.ones_like(d), d))
        elif isinstance(layer, nn.MaxPool2d):
            out = torch.zeros_like(a)
            k = layer.kernel_size
            for n, c, i, j in np.ndindex(*z.shape):
                here, there = (t[n, c, i * k:(i + 1) * k, j * k:(j + 1) * k].flatten() for t in (a, a0))
                rise = z[n, c, i, j] - z0[n, c, i, j]
                at = int((here if rise >= 0 else there).argmax())
                if here[at] != there[at]:
                    out[n, c, i * k + at // k, j * k + at % k] += m[n, c, i, j] * rise / (here[at] - there[at])
            m = out
        else:
            x = a.detach().requires_grad_(True)
            m, = torch.autograd.grad(layer(x), x, m.reshape(z.shape))
    return m


def make_chain(folder):
    """conv, ReLU, max-pool, conv, ReLU, mean, dense: relevance by its recursions, multipliers by their definition, in double precision."""
    torch.manual_seed(11)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
              nn.Linear(32, 9), nn.ReLU(), nn.Linear(9, 5)]
    net, x = nn.Sequential(*layers).eval(), torch.randn(IMAGES, 3, 8, 8)
    path = folder / "relevance.onnx"
    torch.onnx.export(net, x, path, opset_version=13, input_names=["input"], output_names=["logits"],
                      dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}})
    layer = [n.output[0] for n in onnx.load(str(path)).graph.node if n.op_type == "Relu"][1]
    out = records_of(lambda inputs: (lambda a: (net[5:](a), a))(net[:5](inputs)), x, layer)
    net = net.double()
    acts, acts0 = [x.double()], [torch.zeros_like(x).double()]
    for f in net:
        acts.append(f(acts[-1]).detach())
        acts0.append(f(acts0[-1]).detach())
    y, p = acts[-1], torch.softmax(acts[-1], 1)
    t = F.one_hot(y.argmax(1), 5).double()
    p_t = (p * t).sum(1, keepdim=True)
    plus = lambda start: handed_down(net, acts, start, (1, 0)).sum(1)
    for name in ("logit", "weighted", "max"):
        v = torch.stack([seeds(row)[name] for row in y])
        for method, rule in (("lrp", None), ("lrp-zplus", (1, 0)), ("lrp-alpha-beta", (2, 1))):
            out.append(("%s.%s" % (method, name), handed_down(net, acts, v * y, rule).sum(1)))
        out.append(("deeplift." + name, ((x - 0) * lifted(net, acts, acts0, v)).sum(1)))
    whole = lambda r: r.sum((1, 2), keepdim=True).abs()
    a, b = plus(y.abs() * t), plus(y.abs() * (1 - t))
    out.append(("lrp-zplus.clrp", a / whole(a) - b / whole(b)))
    a, b = plus(p_t * (1 - p_t) * t), plus(p_t * p * (1 - t))
    out.append(("lrp-zplus.sglrp", a - b * whole(a) / whole(b)))
    write(folder / "relevance.golden", out)


def put_in_place(path, node, opset):
    """The placeholder (an Erf, which no network here uses) becomes the node that is wanted."""
    model = onnx.load(str(path))
    nodes = list(model.graph.node)
    at = next(i for i, n in enumerate(nodes) if n.op_type == "Erf")
    old, new = nodes[at], onnx.NodeProto()
    new.CopyFrom(node)
    new.name = old.name
    new.input[:] = [old.input[0]] * len(node.input)
    new.output[:] = old.output
    nodes[at] = new
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.opset_import[0].version = opset
    onnx.save(model, str(path))


def make_operator(name, net, folder, opset=13, node=None, golden=True):
    net.eval()
    torch.manual_seed(sum(map(ord, name)))
    x = torch.randn(IMAGES, 3, SIZE, SIZE)
    path = folder / (name + ".onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = net if node is None else Placeholder(net)
        torch.onnx.export(exported, x, path, opset_version=13 if node else opset, input_names=["input"], output_names=["logits"],
                          dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}}, do_constant_folding=False,
                          training=torch.onnx.TrainingMode.PRESERVE)
    if node is not None:
        put_in_place(path, node, opset)
    layer = next(n.output[0] for n in onnx.load(str(path)).graph.node if n.op_type == "Relu")

    def run(inputs):
        a = torch.relu(net.conv(inputs))
        z = net.block(a)
        return net.head(z.mean((2, 3)) if net.spatial else z), a

    if golden:
        write(folder / (name + ".golden"), records_of(run, x, layer))


# ---------------------------------------------------------------- bundled models, run from their ONNX file
def onnx_run(model, x, layer):
    """Evaluates the few operators of the bundled networks with torch; returns logits and the layer's activation."""
    values = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
    values[model.graph.input[0].name] = x
    for node in model.graph.node:
        at = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        i = [values[n] for n in node.input if n]
        pads = at.get("pads", [0, 0, 0, 0])
        if node.op_type == "Conv":
            o = F.conv2d(F.pad(i[0], (pads[1], pads[3], pads[0], pads[2])), i[1], i[2] if len(i) > 2 else None,
                         at.get("strides", [1, 1]), 0, at.get("dilations", [1, 1]), at.get("group", 1))
        elif node.op_type == "BatchNormalization":
            o = F.batch_norm(i[0], i[3], i[4], i[1], i[2], eps=at.get("epsilon", 1e-5))
        elif node.op_type == "Relu":
            o = torch.relu(i[0])
        elif node.op_type == "MaxPool":
            o = F.max_pool2d(i[0], at["kernel_shape"], at.get("strides"), pads[0])
        elif node.op_type == "GlobalAveragePool":
            o = i[0].mean((2, 3), keepdim=True)
        elif node.op_type == "ReduceMean":
            o = i[0].mean(tuple(at["axes"]), keepdim=bool(at.get("keepdims", 1)))
        elif node.op_type == "Flatten":
            o = i[0].flatten(at.get("axis", 1))
        elif node.op_type == "Gemm":
            o = F.linear(i[0], i[1] if at.get("transB") else i[1].t(), i[2])
        elif node.op_type == "Add":
            o = i[0] + i[1]
        elif node.op_type == "Identity":
            o = i[0]
        else:
            raise SystemExit("onnx_run has no %s; add it here" % node.op_type)
        values[node.output[0]] = o
    return values[model.graph.output[0].name], values[layer]


def last_stage(model):
    """The value before the last pool of the network: the layer that 'auto' must choose."""
    last = [n for n in model.graph.node if n.op_type in ("GlobalAveragePool", "MaxPool", "ReduceMean")][-1]
    return last.input[0]


def make_model(model_folder, folder):
    from PIL import Image
    manifest = json.loads((model_folder / "manifest.json").read_text())
    spec = manifest["input"]
    pictures = []
    for sample in manifest["samples"][:IMAGES]:
        rgb = Image.open(model_folder / sample["file"]).convert("RGB").resize(tuple(reversed(spec["size"])), Image.BILINEAR)
        z = (np.asarray(rgb, np.float32) * np.float32(spec["scale"]) - np.float32(spec["mean"])) / np.float32(spec["std"])
        pictures.append(torch.from_numpy(z.transpose(2, 0, 1).copy()))
    model = onnx.load(str(model_folder / manifest["model"]))
    layer = last_stage(model)
    run = lambda x: onnx_run(model, x, layer)
    write(folder / (manifest["name"] + ".golden"), records_of(run, torch.stack(pictures), layer))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, action="append", default=[])
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    for name, net in networks():
        make_operator(name, net, args.dir)
        for opset, names in OTHER_OPSETS.items():
            if name in names:
                make_operator("%s_%d" % (name, opset), net, args.dir, opset)
    for name, block, node, opset in swapped():
        make_operator(name, Stem(block, 4), args.dir, opset, node)
    # A network that says yes or no with one number: for the engine's tests, which know what must come out.
    make_operator("one_logit", Stem(nn.Tanh(), 4, k=1), args.dir, golden=False)
    make_chain(args.dir)
    for folder in args.model:
        make_model(folder, args.dir)
    print("%d files in %s" % (len(list(args.dir.iterdir())), args.dir))


if __name__ == "__main__":
    sys.exit(main())
