"""Writes small ONNX networks with nothing but the standard library: the protobuf wire format is a few lines."""
import random
import struct


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """An int becomes a varint, bytes or text a length-delimited field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    body = field(1, name)
    if isinstance(value, int):
        return body + field(3, value) + field(20, 2)
    return body + b"".join(field(8, v) for v in value) + field(20, 7)


def node(op, inputs, output, **attributes):
    body = b"".join(field(1, i) for i in inputs) + field(2, output) + field(3, op.lower() + "_" + output) + field(4, op)
    return field(1, body + b"".join(field(5, attribute(k, v)) for k, v in sorted(attributes.items())))


def tensor(name, dims, values):
    body = b"".join(field(1, d) for d in dims) + field(2, 1) + field(8, name)
    return field(5, body + field(9, struct.pack("<%df" % len(values), *values)))


def value_info(number, name, dims):
    shape = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(number, field(1, name) + field(2, field(1, field(1, 1) + field(2, shape))))


def model(nodes, tensors, inputs, outputs):
    graph = b"".join(nodes) + field(2, "tiny") + b"".join(tensors)
    graph += b"".join(value_info(11, *i) for i in inputs) + b"".join(value_info(12, *o) for o in outputs)
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def normal(rng, n, scale):
    return [rng.gauss(0, scale) for _ in range(n)]


def classifier(size=16, channels=8, classes=12, convolutions=2, seed=1, first={}):
    """size x size RGB -> 3x3 convolutions with ReLU -> global average pool -> one linear layer -> logits. first: {weight: its first element}."""
    rng = random.Random(seed)

    def tensor(name, dims, values):
        return globals()["tensor"](name, dims, [first.get(name, values[0])] + values[1:])
    nodes, tensors, x, c_in = [], [], "image", 3
    for i in range(convolutions):
        w, b, y, z = "w%d" % i, "b%d" % i, "conv%d" % i, "relu%d" % i
        n = channels * c_in * 9
        tensors += [tensor(w, [channels, c_in, 3, 3], normal(rng, n, (2 / (9 * c_in)) ** 0.5))]
        tensors += [tensor(b, [channels], normal(rng, channels, 0.1))]
        nodes += [node("Conv", [x, w, b], y, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("Relu", [y], z)]
        x, c_in = z, channels
    tensors += [tensor("fc", [classes, channels], normal(rng, classes * channels, 1.0))]
    tensors += [tensor("fb", [classes], normal(rng, classes, 0.1))]
    nodes += [node("GlobalAveragePool", [x], "pooled"), node("Flatten", ["pooled"], "flat"),
              node("Gemm", ["flat", "fc", "fb"], "logits", transB=1)]
    return model(nodes, tensors, [("image", ["N", 3, size, size])], [("logits", ["N", classes])])
