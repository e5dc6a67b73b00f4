#!/usr/bin/env python3
"""The other side of `whynot-bench engine --torch`: one PyTorch network that runs when it is told to.

Reads a line, runs once, prints the milliseconds it took: `forward` is eager inference, `explain` is --method. gradcam: as pytorch-grad-cam
does it (hooks on the layer, a backward pass through the whole network with gradients of the weights). ixg and ig: as captum does it, autograd to
the picture alone, for ig with all nodes as one batch. Weights are random: only times mean something. With --compile also `compiled forward` and
`compiled explain`, the same through torch.compile; behind "ready" stands a line for each, "works" or why it does not.

    torch_engine.py --arch resnet50 --threads 2 [--method gradcam] [--steps 32] [--size 224] [--batch 1]
                    [--device cuda --precision f32|tf32|bf16|f16] [--compile]

On a GPU in its best case: channels last, weights and pictures in 16 bits where that is asked for (no autocast, which would cast the weights anew in
every pass), algorithms chosen by time, pictures on the device, and every time ends when the device is done.
"""
import argparse
import sys
import time

import numpy
import torch
import torchvision

# The layer that Grad-CAM is asked about: the last one with a plane.
LAYERS = {
    "resnet": lambda m: m.layer4[-1],
    "densenet": lambda m: m.features[-1],
    "vgg": lambda m: m.features[-2],
    "squeezenet": lambda m: m.features[-1],
    "mobilenet": lambda m: m.features[-1],
}




class GradCam:
    def __init__(self, model, layer):
        self.model, self.kept = model, {}
        layer.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.kept["activation"] = output.detach()
        if output.requires_grad:
            output.register_hook(lambda gradient: self.kept.update(gradient=gradient.detach()))

    def __call__(self, image):
        logits = self.model(image)
        self.model.zero_grad()
        target = logits[:, logits[0].argmax()].sum()
        target.backward(retain_graph=True)
        activation, gradient = (self.kept[k].float().cpu().numpy() for k in ("activation", "gradient"))
        weight = gradient.mean(axis=(2, 3), keepdims=True)
        cam = numpy.maximum((weight * activation).sum(axis=1), 0)
        return cam / (cam.max() + 1e-7)


def gradient(model, image, classes=None):
    """Of each picture's class, the predicted one if none is named."""
    x = image.detach().requires_grad_(True)
    logits = model(x)
    classes = logits.argmax(1, keepdim=True) if classes is None else classes
    return torch.autograd.grad(logits.gather(1, classes).sum(), x)[0]


def input_times_gradient(model, image):
    return (image * gradient(model, image)).sum(1).float().cpu().numpy()


def integrated_gradients(model, image, steps):
    with torch.no_grad():
        classes = model(image).argmax(1, keepdim=True)
    middles = ((torch.arange(steps) + 0.5) / steps).to(image)
    points = (middles.view(-1, 1, 1, 1, 1) * image).flatten(0, 1)
    mean = gradient(model, points, classes.repeat(steps, 1)).view(steps, *image.shape).mean(0)
    return (image * mean).sum(1).float().cpu().numpy()


def compiled(name, model, layer, image, options):
    if name == "explain" and options.method != "gradcam":
        raise NotImplementedError("only gradcam is tried")
    if name == "explain":
        cam = GradCam(torch.compile(model), layer)
        return lambda: cam(image)
    fast = torch.compile(model, mode="reduce-overhead" if options.device == "cuda" else None)

    def forward():
        with torch.inference_mode():
            return fast(image)
    return forward


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", choices=("gradcam", "ixg", "ig"), default="gradcam")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("f32", "tf32", "bf16", "f16"), default="f32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--clock", choices=("perf_counter", "process_time"), default="perf_counter")
    options = parser.parse_args()
    clock = getattr(time, options.clock)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    torch.backends.cudnn.benchmark = True
    numbers = {"bf16": torch.bfloat16, "f16": torch.float16}.get(options.precision, torch.float32)
    model = getattr(torchvision.models, options.arch)(weights=None).eval().to(options.device, numbers)
    layer = next(f for name, f in LAYERS.items() if options.arch.startswith(name))(model)
    explain = GradCam(model, layer)
    image = torch.randn(options.batch, 3, options.size, options.size, device=options.device).to(numbers)
    if options.device == "cuda":
        model, image = model.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)

    def as_asked(run):
        run()
        if options.device == "cuda":
            torch.cuda.synchronize()

    def forward():
        with torch.inference_mode():
            return model(image)

    methods = {"gradcam": lambda: explain(image), "ixg": lambda: input_times_gradient(model, image),
               "ig": lambda: integrated_gradients(model, image, options.steps)}
    runs = {"forward": forward, "explain": methods[options.method]}
    for run in runs.values():
        as_asked(run)
    print("ready", flush=True)
    if options.compile:
        for name in ("forward", "explain"):
            try:
                runs["compiled " + name] = compiled(name, model, layer, image, options)
                for _ in range(3):
                    as_asked(runs["compiled " + name])
                print("works", flush=True)
            except BaseException as why:  # whatever a compiler does, the rows beside it stay
                if isinstance(why, KeyboardInterrupt):
                    raise
                print(" ".join(("%s: %s" % (type(why).__name__, why)).split())[:100], flush=True)
    for line in sys.stdin:
        run = runs[line.strip()]
        start = clock()
        as_asked(run)
        print(f"{(clock() - start) * 1e3:.4f}", flush=True)


if __name__ == "__main__":
    main()
