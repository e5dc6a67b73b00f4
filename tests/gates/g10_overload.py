#!/usr/bin/env python3
"""G10: an open loop at ten times what the server can do. The daemon has one core, the generator the other.

Measured capacity C and the p99 at 0.8 C first; then 10 C: goodput, p99 of what was answered, what was refused and how soon, memory, and the
time until all is as before. The bound on waiting (--max-queue-wait-ms) is the operator's answer to "how late is too late"; here four pictures' time."""
import collections
import json
import os
import statistics
import subprocess
import tempfile
import time

import gate
from daemon import Daemon, picture, slow_model

SIZE, PICTURES = 96, 200


def load(d, folder, *options):
    command = [gate.BENCH, "http", "http://127.0.0.1:%d/v1/models/slow/explain" % d.port, "--body", folder, "--json", *map(str, options)]
    cores = sorted(os.sched_getaffinity(0))
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, preexec_fn=lambda: os.sched_setaffinity(0, cores[-1:]))
    return json.loads(done.stdout)


def rss_mib(d):
    with open("/proc/%d/status" % d.process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def capacity_of(d, folder, seconds):
    return load(d, folder, "--clients", 3, "--duration", seconds, "--warmup", 0.5)["goodput"]


def worst_p99(overs, which):
    return max(over["latency_ms"][which]["p99"] for over in overs)


def picture_ms(folder):
    """How long one picture takes, so that the network is neither too quick for the generator nor too slow for the gate."""
    with Daemon(folder, "--backend", "ref", "--workers", "1") as d:
        best = 1e9
        for _ in range(4):
            start = time.monotonic()
            d.explain(picture(1, SIZE, SIZE), "", "slow")
            best = min(best, time.monotonic() - start)
        return best * 1e3


def main():
    if gate.is_sanitized() or not os.path.exists(gate.BENCH):
        gate.skip("it needs a build without sanitizers and whynot-bench")
    if gate.FULL and all(gate.is_busy() for _ in range(60)):
        gate.skip("other work keeps the machine busy, and this is about latencies")
    seconds = 30 if gate.FULL else 6
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as pictures:
        slow_model(folder, SIZE, 2)
        for i in range(PICTURES):  # different ones: requests about one picture would share its forward pass
            with open(os.path.join(pictures, "%d.png" % i), "wb") as f:
                f.write(picture(i, SIZE, SIZE))
        each = picture_ms(folder)
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:1])  # the daemon inherits it
        options = ["--backend", "ref", "--workers", "1", "--max-queue-wait-ms", str(max(50, int(4 * each)))]
        with Daemon(folder, *options) as d:
            os.sched_setaffinity(0, cores)
            load(d, pictures, "--clients", 2, "--duration", 1, "--warmup", 0.5)
            idle, others = rss_mib(d), gate.Others(d.process.pid)
            capacity = capacity_of(d, pictures, seconds / 3)
            below = load(d, pictures, "--rate", 0.8 * capacity, "--duration", max(4, seconds / 2), "--warmup", 0.5)
            shares, overs = [], []
            for _ in range(5 if gate.FULL else 1):  # by turns, and against what lies on both sides: a machine's speed drifts by more than what is judged
                before = capacity_of(d, pictures, seconds / 5)
                overs.append(load(d, pictures, "--rate", 10 * capacity, "--duration", seconds / 3, "--warmup", 1, "--expect", "--connections", 4096))
                last = capacity_of(d, pictures, seconds / 5)
                shares.append(overs[-1]["goodput"] / (0.5 * (before + last)))
            grown = rss_mib(d) - idle
            time.sleep(1)
            calm = ("--rate", 0.5 * capacity, "--arrivals", "constant") if gate.FULL else ("--clients", 1)  # one at a time is calm, however slow the machine has become
            after = load(d, pictures, *calm, "--duration", 3, "--warmup", 0)
            others = others.cores()
    note = "of %s; C = %.1f/s, one picture %.0f ms" % (", ".join("%.2f" % share for share in sorted(shares)), capacity, each)
    p99 = below["latency_ms"]["ok"]["p99"]
    # what lies on both sides of an overload would not show that the first one left the daemon slow for good
    gate.latency("G10 capacity after the last one / before the first", round(last / capacity, 3), ">= 0.6", last >= 0.6 * capacity, others)
    share, late, refusal = statistics.median(shares), worst_p99(overs, "ok"), worst_p99(overs, "refused")
    gate.latency("G10 goodput at 10 C / C", round(share, 3), ">= 0.9, the median", share >= 0.9, others, note)
    gate.latency("G10 p99 of the answered, ms", late, "<= 2 x %.0f, p99 at 0.8 C" % p99, late <= 2 * p99, others)
    gate.latency("G10 p99 of the refused, ms", refusal, "<= 50", refusal <= 50, others)
    statuses, errors = collections.Counter(), collections.Counter()
    for over in overs:
        statuses.update(over["status"])
        errors.update(over["errors"])
    strangers = {k: v for k, v in statuses.items() if k not in ("200", "429", "503")}
    gate.figure("G10 other answers, and none at all", sum(strangers.values()) + sum(errors.values()), 0, not strangers and not sum(errors.values()), json.dumps(statuses))
    refused = statuses["429"] + statuses["503"]
    size = 1e-9 + sum(over["body_bytes_sent"] for over in overs) / max(1, statuses["200"] + refused)
    gate.figure("G10 body bytes sent a request", round(size, 1), "most were refused at the head", refused > 0 and size < 0.5 * len(picture(1, SIZE, SIZE)))
    gate.figure("G10 memory grown, MiB", round(grown, 1), "<= 320", grown <= 320)
    gate.figure("G10 a second after: answers that are not 200", sum(v for k, v in after["status"].items() if k != "200"), 0, set(after["status"]) == {"200"})
    gate.latency("G10 p99 a second after, ms", after["latency_ms"]["ok"]["p99"], "<= p99 at 0.8 C", after["latency_ms"]["ok"]["p99"] <= max(p99, 3 * each), others)
    gate.finish()


main()
