#!/usr/bin/env python3
"""The server that people write first, to compare with: PyTorch, hooks, Grad-CAM as pytorch-grad-cam does it, one lock, the standard library's
threading HTTP server. A picture is posted, an overlay comes back as PNG (`?forward=1`: only the prediction; `?network=0`: everything but the
network).

    python_server.py --port 0 [--weights resnet18.onnx] [--threads 2]
"""
import argparse
import http.server
import io
import json
import sys
import threading
import urllib.parse

import numpy
import torch
import torchvision
from PIL import Image

MEAN, STD = numpy.float32([0.485, 0.456, 0.406]), numpy.float32([0.229, 0.224, 0.225])


class GradCam:
    """Hooks on the layer, a backward pass through the whole network with gradients of the weights."""

    def __init__(self, model, layer):
        self.model, self.kept = model, {}
        layer.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.kept["activation"] = output.detach()
        if output.requires_grad:
            output.register_hook(lambda gradient: self.kept.update(gradient=gradient.detach()))

    def __call__(self, image, target):
        logits = self.model(image)
        self.model.zero_grad()
        p = int(logits[0].argmax()) if target is None else target
        logits[0, p].backward(retain_graph=True)
        activation, gradient = (self.kept[k].numpy() for k in ("activation", "gradient"))
        weight = gradient.mean(axis=(2, 3), keepdims=True)
        return p, numpy.maximum((weight * activation).sum(axis=1), 0)[0]


def colours():
    x = numpy.linspace(0, 1, 256)
    return numpy.stack([numpy.clip(1.5 - numpy.abs(4 * x - c), 0, 1) for c in (3, 2, 1)], 1).astype(numpy.float32)  # jet


JET = colours()


def prepare(data):
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    w, h = picture.size
    scale = 256 / min(w, h)
    small = picture.resize((round(w * scale), round(h * scale)), Image.BILINEAR)
    left, top = (small.width - 224) // 2, (small.height - 224) // 2
    crop = numpy.asarray(small.crop((left, top, left + 224, top + 224)), numpy.float32) / 255
    return crop, torch.from_numpy(((crop - MEAN) / STD).transpose(2, 0, 1).copy())[None]


def overlay(crop, cam):
    cam = (cam - cam.min()) / (cam.max() - cam.min() + 1e-7)
    big = numpy.asarray(Image.fromarray(cam).resize((224, 224), Image.BILINEAR))
    mixed = 0.5 * JET[numpy.uint8(255 * big)] + 0.5 * crop
    out = io.BytesIO()
    Image.fromarray(numpy.uint8(255 * mixed / mixed.max())).save(out, "PNG")
    return out.getvalue()


def load(path):
    model = torchvision.models.resnet18(weights=None).eval()
    if path:
        import onnx
        from onnx import numpy_helper
        stored = [torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer]
        # Exporters fold batch-norms and rename: what has the right shape is taken in order; times do not depend on the rest.
        with torch.no_grad():
            for p in model.parameters():
                for i, t in enumerate(stored):
                    if t.shape == p.shape:
                        p.copy_(stored.pop(i))
                        break
    return model


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        crop, tensor = prepare(self.rfile.read(int(self.headers["Content-Length"])))
        kind = "image/png"
        if query.get("network") == ["0"]:
            body = overlay(crop, self.server.some_map)
        elif query.get("forward") == ["1"]:
            with self.server.lock, torch.inference_mode():
                body, kind = json.dumps({"class": int(self.server.model(tensor)[0].argmax())}).encode(), "application/json"
        else:
            with self.server.lock:
                _, cam = self.server.cam(tensor, None)
            body = overlay(crop, cam)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--weights")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.lock, server.model = threading.Lock(), load(options.weights)
    server.cam = GradCam(server.model, server.model.layer4[-1])
    server.some_map = server.cam(torch.randn(1, 3, 224, 224), None)[1]
    print("http://127.0.0.1:%d/" % server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
