# SPDX-License-Identifier: Apache-2.0
"""Trains one of the two networks on the CPU: train.py signs-resnet --out WEIGHTS.pt

Seeds, the number of threads (one) and the order of the pictures are fixed.
"""
import argparse
import math
import time

import numpy as np
import torch
from torch import nn

import dataset
import nets

EPOCHS = {"signs-resnet": 10, "signs-vgg": 7}
# The weight of the mean of the last map in the loss.  Under global average pooling it keeps the cells
# that have nothing to tell at zero, and a class map lies on the telling ones.  Under max-pooling
# only the greatest cell of a channel counts anyway, and in short trials it did not help.
SPARSITY = {"signs-resnet": .02, "signs-vgg": 0.0}
SHIFT = 5   # pixels: random shift of each training picture


def augmented(pictures, rng):
    """Shifts each picture at random, edges repeated, and changes its brightness a little."""
    count, side = pictures.shape[:2]
    padded = np.pad(pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    out = np.empty_like(pictures)
    for index, (dy, dx) in enumerate(rng.randint(0, 2 * SHIFT + 1, (count, 2))):
        out[index] = padded[index, dy:dy + side, dx:dx + side]
    gain = torch.from_numpy(rng.uniform(.8, 1.2, (count, 3, 1, 1)).astype(np.float32))
    return ((nets.normalised(out) + 2) * gain - 2).contiguous(memory_format=torch.channels_last)


def rate(step, steps, peak):
    """One cycle: up in the first eighth, then down along a half cosine."""
    warm = steps / 8
    if step < warm:
        return peak * (step + 1) / warm
    return peak * .5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def accuracy(net, pictures, labels):
    right = 0
    net.eval()
    with torch.no_grad():
        for start in range(0, len(pictures), 100):
            logits = net(nets.normalised(pictures[start:start + 100]))
            right += (logits.argmax(1).numpy() == labels[start:start + 100]).sum()
    return right / len(pictures)


def train_batch(net, optimiser, pictures, labels, sparsity):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = net.features(pictures)
        logits = net.head(maps)
    loss = nn.functional.cross_entropy(logits.float(), labels) + sparsity * maps.float().mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5)
    optimiser.step()
    return float(loss)


def train(arguments):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(arguments.seed)
    rng = np.random.RandomState(arguments.seed)
    pictures, labels = dataset.load("train", arguments.count)
    net = nets.for_training(arguments.net).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), arguments.rate, momentum=.9, nesterov=True,
                                weight_decay=arguments.decay)
    used = min(arguments.limit or arguments.count, arguments.count)
    batches = used // arguments.batch
    steps, step, began = arguments.epochs * batches, 0, time.time()
    for epoch in range(arguments.epochs):
        order, total = rng.permutation(used), 0.0
        net.train()
        for chosen in order[:batches * arguments.batch].reshape(batches, arguments.batch):
            optimiser.param_groups[0]["lr"] = rate(step, steps, arguments.rate)
            total += train_batch(net, optimiser, augmented(pictures[chosen], rng), torch.from_numpy(labels[chosen]),
                                 arguments.sparsity)
            step += 1
        print("%s epoch %d: loss %.4f, %.0f s" % (arguments.net, epoch + 1, total / batches, time.time() - began),
              flush=True)
        torch.save(net.state_dict(), arguments.out)
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=("signs-resnet", "signs-vgg"))
    parser.add_argument("--out", required=True, help="file for the weights")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--count", type=int, default=dataset.TRAIN_COUNT, help="pictures in the training set")
    parser.add_argument("--limit", type=int, default=0, help="train on the first so many only (0: all)")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=.05)
    parser.add_argument("--decay", type=float, default=5e-4)
    parser.add_argument("--sparsity", type=float)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.epochs is None:
        arguments.epochs = EPOCHS[arguments.net]
    if arguments.sparsity is None:
        arguments.sparsity = SPARSITY[arguments.net]
    net = train(arguments)
    pictures, labels = dataset.load("test", dataset.TEST_COUNT)
    print("%s: %.2f %% of %d fresh hard pictures" % (
        arguments.net, 100 * accuracy(net, pictures, labels), len(labels)))


if __name__ == "__main__":
    main()
