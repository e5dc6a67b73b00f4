#!/usr/bin/env python3
"""G6: a day of requests in a minute. Good ones, bad ones (one in five) and reloads of the model, over and over; afterwards memory, the allocator's bytes,
descriptors and threads are what they were after the warm-up. --full: 100,000 requests and 20 reloads; else 10,000 and 4."""
import json
import os
import random
import subprocess
import tempfile
import threading
import time

import gate
from daemon import Daemon, picture, tiny_models, wait_until

REQUESTS, RELOADS, ROUNDS = (100000, 20, 20) if gate.FULL else (10000, 4, 4)
QUESTIONS = ["", "?method=la", "?contrast=weighted", "?why_not=auto:2&outputs=raw", "?outputs=overlay", "?target=no-such-class", "?method=lrp&evidence=mask", "?why_not=1&target=2&reuse=true"]


def write_bodies(folder):
    rng = random.Random(6)
    for i in range(40):
        good = picture(i)
        bad = (rng.randbytes(600), good[:len(good) // 2], b"GIF89a" + rng.randbytes(50), b"")[i % 4]
        with open(os.path.join(folder, "%d.png" % i), "wb") as f:
            f.write(bad if i % 5 == 0 else good)


class State:
    """Of the daemon when nobody asks: KiB of memory, bytes that its allocator gave out, descriptors, threads."""

    def __init__(self, d):
        wait_until(lambda: d.metric("whynot_requests_in_flight") == 1)
        looks = [self.look(d) for _ in range(20)]  # a connection that just closes is no leak
        self.rss, self.heap, self.descriptors, self.threads = map(min, zip(*looks))

    @staticmethod
    def look(d):
        time.sleep(0.03)
        pid = d.process.pid
        return gate.status_kb(pid, "VmRSS"), d.metric("whynot_heap_bytes"), gate.descriptors(pid), gate.status_kb(pid, "Threads")


def load(d, folder, requests, reloads):
    """That many requests by eight clients, the model loaded again meanwhile; the counts of statuses."""
    command = [gate.BENCH, "http", "http://127.0.0.1:%d/v1/models/tiny/explain" % d.port, "--body", folder, "--questions", os.path.join(folder, "..", "questions"), "--json", "--clients", "8",
               "--warmup", "0", "--duration", "0.5"]
    count, asked = {}, 0
    over = threading.Event()

    def reload():
        for _ in range(reloads):
            assert d.request("POST", "/v2/repository/models/tiny/load", "{}", {"Content-Type": "application/json"}).status == 200
            if over.wait(0.05):
                return
    thread = threading.Thread(target=reload)
    thread.start()
    while asked < requests:
        r = json.loads(subprocess.run(command, stdout=subprocess.PIPE, timeout=120).stdout)
        assert not any(r["errors"].values()), r["errors"]
        asked += r["requests"]
        for status, n in r["status"].items():
            count[status] = count.get(status, 0) + n
    thread.join()
    over.set()
    return count, asked


def slope(xs, ys):
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)


def main():
    if gate.is_sanitized() or not os.path.exists(gate.BENCH):
        gate.skip("it needs a build without sanitizers, whose memory is its own, and whynot-bench")
    with tempfile.TemporaryDirectory() as base:
        bodies = os.path.join(base, "bodies")
        os.mkdir(bodies)
        write_bodies(bodies)
        with open(os.path.join(base, "questions"), "w") as f:
            f.write("".join(q.lstrip("?") + "\n" for q in QUESTIONS))
        with Daemon(tiny_models(os.path.join(base)), "--model-control", "--access-log=false", "--max-queue-wait-ms", "0", environment={"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}) as d:  # what threads keep of freed memory is no leak, and varies
            load(d, bodies, max(2000, REQUESTS // 10), 2)
            states, asked, total = [State(d)], [0], {}
            for _ in range(ROUNDS):
                count, n = load(d, bodies, REQUESTS // ROUNDS, RELOADS // ROUNDS)
                for status in count:
                    total[status] = total.get(status, 0) + count[status]
                asked.append(asked[-1] + n)
                states.append(State(d))
    first, last = states[0], states[-1]
    grown = slope(asked, [1024 * s.rss for s in states])
    bad = sum(n for status, n in total.items() if status != "200") / asked[-1]
    gate.figure("G6 requests", asked[-1], ">= %d" % REQUESTS, asked[-1] >= REQUESTS and 0.1 < bad < 0.6 and not any(s[0] == "5" for s in total), "%d reloads; %s" % (RELOADS, json.dumps(total)))
    gate.figure("G6 memory grown, KiB", last.rss - first.rss, 1024, last.rss - first.rss <= 1024, "of %d" % first.rss)
    if gate.FULL:
        gate.figure("G6 memory grown by a request, bytes", round(grown, 2), 10, grown <= 10)
    gate.figure("G6 bytes of the allocator", last.heap - first.heap, 4096, last.heap - first.heap <= 4096, "of %d" % first.heap)
    gate.figure("G6 descriptors", last.descriptors - first.descriptors, 0, last.descriptors == first.descriptors, "of %d" % first.descriptors)
    gate.figure("G6 threads", last.threads - first.threads, 0, last.threads == first.threads, "of %d" % first.threads)
    gate.finish()


main()
