#!/usr/bin/env python3
"""The goals of the server's speed, C11 to C15, as ratios of medians over interleaved rounds of one run: whynotd beside python_server.py, both under
the same eight clients of `whynot-bench http`, with ResNet-18 of $WHYNOT_ASSETS and its photographs.

    tests/bench/server_ratios.py [--rounds 7] [--seconds 3] [--python /usr/bin/python3] [--bin build]

C11 to C14 are judged by time and nothing else: requests a second are what a client gets, and PyTorch's threads, which spin while they wait for each
other, would flatter us by processor time. That column stands beside it to read, because other work disturbs it less. C15 is processor time by its own words.
A ratio is that of one round, a figure the median of the rounds; in a round the order is drawn anew, and the forward passes are measured in it as well,
with all cores at work as they are under the server, so that C13 cannot exceed 1 but by noise. Exit 0: all hold, 1: one does not, 77: networks or PyTorch are
missing, or other work took more than a tenth of the machine."""
import argparse
import glob
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "http")]
import asset_models  # noqa: E402
import daemon  # noqa: E402
import tiny_onnx  # noqa: E402

MOST_OTHERS = 0.1  # of the machine
QUESTION = "contrast=weighted&size=input"  # the comparison draws 224 x 224, too


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def nothing():
    """One convolution that looks at each pixel once, a plane of 7 x 7 as ResNet's, four classes: 0.6 million multiplications."""
    t, rng = tiny_onnx, random.Random(1)
    tensors = [t.tensor("w", [4, 3, 32, 32], t.normal(rng, 4 * 3 * 32 * 32, 0.02)), t.tensor("fc", [4, 4], t.normal(rng, 16, 1.0)),
               t.tensor("fb", [4], t.normal(rng, 4, 0.1))]
    nodes = [t.node("Conv", ["image", "w"], "conv", kernel_shape=[32, 32], strides=[32, 32]), t.node("Relu", ["conv"], "relu"),
             t.node("GlobalAveragePool", ["relu"], "pooled"), t.node("Flatten", ["pooled"], "flat"),
             t.node("Gemm", ["flat", "fc", "fb"], "logits", transB=1)]
    return t.model(nodes, tensors, [("image", ["N", 3, 224, 224])], [("logits", ["N", 4])])


def make_models(folder, assets):
    asset_models.write(assets, folder, ["resnet18"])
    # The same pictures, the same pre-processing, next to nothing to compute.
    with open(os.path.join(folder, "resnet18", "manifest.json")) as f:
        about = json.load(f)
    name = os.path.join(folder, "nothing")
    daemon.write_model(folder, "nothing", nothing(), ["a", "b", "c", "d"], 224)
    with open(os.path.join(name, "manifest.json")) as f:
        own = json.load(f)
    own["input"] = {k: v for k, v in about["input"].items() if k not in ("name", "layout")}
    with open(os.path.join(name, "manifest.json"), "w") as f:
        json.dump(own, f)


class Others:
    """Processor time that nobody of ours took, in cores: what makes a rate mean nothing."""

    def __init__(self):
        self.begin = self.now()

    def now(self):
        with open("/proc/stat") as f:
            t = [int(v) for v in f.readline().split()[1:9]]
        return (sum(t) - t[3] - t[4]) / os.sysconf("SC_CLK_TCK")  # all but idle and waiting for discs

    def cores(self, ours, seconds):
        return max(0, self.now() - self.begin - ours) / seconds


class Subject:
    def __init__(self, name, url, pid, *headers):
        self.name, self.url, self.pid, self.headers, self.rates, self.cpu, self.others = name, url, pid, headers, [], [], []

    def run(self, o, photos):
        command = [os.path.join(o.bin, "clients/bench/whynot-bench"), "http", self.url, "--clients", str(o.clients), "--duration", str(o.seconds),
                   "--warmup", "0.5", "--body", photos, "--json", "--timeout-ms", "60000"]
        for h in self.headers:
            command += ["--header", h]
        before, others, start, mine = cpu_seconds(self.pid), Others(), time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        r = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        used, after = cpu_seconds(self.pid) - before, resource.getrusage(resource.RUSAGE_CHILDREN)
        client = after.ru_utime + after.ru_stime - mine.ru_utime - mine.ru_stime
        if set(r["status"]) != {"200"} or any(r["errors"].values()):
            raise SystemExit("%s: %s %s" % (self.name, r["status"], r["errors"]))
        self.rates.append(r["goodput"])
        self.cpu.append(1e3 * used / (r["requests"] * (1 + 0.5 / o.seconds)))  # the warm-up cost processor time, too
        self.others.append(others.cores(used + client, time.monotonic() - start))

    @property
    def rate(self):
        return statistics.median(self.rates)

    @property
    def ms(self):
        return statistics.median(self.cpu)


def forward_cpu_ms(o, model):
    """A forward pass of one thread, the picture's numbers in, logits out, while every core does the same: what the server's workers have."""
    command = [os.path.join(o.bin, "clients/bench/whynot-bench"), "engine", "--model", model, "--cpu-time", "--no-bare", "--no-bf16", "--foils", "1",
               "--rounds", "15", "--json"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(os.cpu_count())]
    return statistics.mean(json.loads(p.communicate()[0])["models"][0]["median_ms"]["own f32 forward"] for p in running)


def median_of(function, *lists):
    """Of the rounds' own ratios: what was measured in one round is compared with one another."""
    return statistics.median(function(*values) for values in zip(*lists))


def report(o, s, forward, least, cores):
    print("%-28s %12s %16s" % ("", "requests/s", "CPU ms/request"))
    for x in s.values():
        print("%-28s %12.1f %16.2f" % (x.name, x.rate, x.ms))
    print("forward pass, all cores busy: %.2f ms of CPU; %d cores, %d clients, %d rounds of %g s" %
          (statistics.median(forward), cores, o.clients, o.rounds, o.seconds))
    own, fwd, python, own0, python0 = (s[k] for k in ("own", "forward", "python", "own0", "python0"))

    def ratio(a, b):
        return median_of(lambda x, y: x / y, a, b)

    outside = median_of(lambda x, n, f: (x - n) / f, own0.cpu, least, forward)  # that network computes a little as well
    rows = [
        ("C11", "own explanations/s / Python server's", ratio(own.rates, python.rates), ratio(python.cpu, own.cpu), 6),
        ("C12", "own explanations/s / own forward passes/s", ratio(own.rates, fwd.rates), ratio(fwd.cpu, own.cpu), 0.93),
        ("C13", "explanations/s x forward CPU time / cores", median_of(lambda r, f: r * f / 1e3 / cores, own.rates, forward), ratio(forward, own.cpu), 0.90),
        ("C14", "requests/s without the network / Python's", ratio(own0.rates, python0.rates), ratio(python0.cpu, own0.cpu), 12),
        ("C15", "CPU outside the network / forward", None, outside, 0.045),
    ]
    print("%-5s %-46s %10s %10s %8s" % ("", "", "by time", "by CPU", "goal"))
    fine = True
    for name, words, wall, cpu, goal in rows:
        met = cpu <= goal if wall is None else wall >= goal
        fine = fine and met
        print("%-5s %-46s %10s %10.3f %s%6g%s" % (name, words, "" if wall is None else "%.3f" % wall, cpu, "<=" if wall is None else ">=", goal, "" if met else "  MISSED"))
    busy = max(statistics.median(x.others) for x in s.values())
    print("taken by others: %.2f cores" % busy)
    if busy > MOST_OTHERS * cores:
        print("not judged: other work takes more than %g %% of the machine, and rates are not the servers' own" % (100 * MOST_OTHERS))
        return 77
    return 0 if fine else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build"))
    o = parser.parse_args()
    assets = os.environ.get("WHYNOT_ASSETS")
    if not assets or subprocess.run([o.python, "-c", "import torch, torchvision, onnx, PIL"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: WHYNOT_ASSETS and PyTorch are needed")
        return 77
    os.environ["WHYNOTD"] = os.path.join(o.bin, "server", "whynotd")
    with tempfile.TemporaryDirectory() as folder:
        models, photos = os.path.join(folder, "models"), os.path.join(folder, "photos")
        os.makedirs(photos)
        os.makedirs(models)
        make_models(models, assets)
        for path in sorted(glob.glob(os.path.join(assets, "images", "*.JPEG")))[:64]:  # pictures in flight differ: whynotd asks a network once about one
            os.symlink(path, os.path.join(photos, os.path.basename(path)))
        server = subprocess.Popen([o.python, os.path.join(HERE, "python_server.py"), "--weights", os.path.join(assets, "models", "resnet18.onnx")],
                                  stdout=subprocess.PIPE)
        try:
            with daemon.Daemon(models) as d:
                url = re.match(r"http://\S+", server.stdout.readline().decode()).group(0)
                own, png = "http://127.0.0.1:%d/v1/models/%%s/explain?%s" % (d.port, QUESTION), "Accept: image/png"
                s = {
                    "own": Subject("whynotd, explanation", own % "resnet18", d.process.pid, png),
                    "forward": Subject("whynotd, forward pass only", "http://127.0.0.1:%d/predictions/resnet18" % d.port, d.process.pid),
                    "own0": Subject("whynotd, without the network", own % "nothing", d.process.pid, png),
                    "python": Subject("Python, explanation", url, server.pid),
                    "python0": Subject("Python, without the network", url + "?network=0", server.pid),
                }
                forward, least = [], []
                for _ in range(o.rounds):
                    for x in random.sample(list(s.values()), len(s)):
                        x.run(o, photos)
                    forward.append(forward_cpu_ms(o, os.path.join(models, "resnet18", "model.onnx")))
                    least.append(forward_cpu_ms(o, os.path.join(models, "nothing", "model.onnx")))
                return report(o, s, forward, least, os.cpu_count())
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
