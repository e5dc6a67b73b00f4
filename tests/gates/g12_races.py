#!/usr/bin/env python3
"""G12: a daemon built with ThreadSanitizer, asked for everything at once: questions of every kind, large answers, clients that leave, models and keys that
are read again, evaluations that are cancelled, and an end in the middle of it. No race is reported. --full builds that daemon (build-thread) and asks
10,000 times; else it runs only where the daemon is built so."""
import glob
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from gate import FULL, HERE, ROOT, daemon, figure, finish, skip
from daemon import b64, picture
import tiny_onnx

WANTED = 10000 if FULL else 1500
SUPPRESSIONS = os.path.join(HERE, "thread.supp")
SECONDS = 1500  # a hang, not slowness
JSON = {"Content-Type": "application/json"}
TOKEN = "a-token-of-twenty-six-bytes"
QUERIES = ["", "?why_not=auto:3", "?target=2&why_not=5&method=layercam", "?method=ixg&outputs=raw", "?method=lrp", "?outputs=overlay,heatmap&maps=contrast,target,rival&why_not=auto:2",
           "?why_not=all&rivals=3", "?reuse=true&target=1", "?evidence=mask&why_not=auto:1", "?contrast=subset&target=0,1&why_not=2,3", "?timeout_ms=1", "?nonsense=1", "?method=smoothgrad"]


def is_thread_sanitized(path):
    with open(path, "rb") as f:
        return b"__tsan_init" in f.read()


def build():
    folder = os.path.join(ROOT, "build-thread")
    options = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DWHYNOT_SANITIZE=thread", "-DWHYNOT_TESTS=OFF", "-DWHYNOT_CUDA=OFF"]
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "whynotd"], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(folder, "server", "whynotd")


class Storm:
    """Threads that each do one thing again and again; what an answer must be is other tests' business, that it is one of those is this one's."""

    def __init__(self, d, folder):
        self.d, self.folder, self.stop, self.lock = d, folder, threading.Event(), threading.Lock()
        self.counts, self.odd = {}, []
        self.big = daemon.png(300, 300, lambda x, y: [x % 256, y % 256, (x * y) % 256])
        kinds = [self.ask] * 4 + [self.leave, self.batches, self.load, self.look, self.evaluate, self.drip]
        self.threads = [threading.Thread(target=self.again, args=(k, i)) for i, k in enumerate(kinds)]

    def again(self, what, seed):
        chance = random.Random(seed)
        while not self.stop.is_set():
            try:
                what(chance)
            except (OSError, http.client.HTTPException):  # the daemon is ending
                time.sleep(0.05)

    def saw(self, kind, status, *allowed):
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if status not in allowed:
                self.odd.append("%s: %d" % (kind, status))

    def send(self, method, path, body=None, headers=None, connection=None):
        return self.d.request(method, path, body, dict(headers or {}, Authorization="Bearer " + TOKEN), connection)

    def ask(self, chance):
        connection = self.d.connect()
        for _ in range(20):
            image = self.big if chance.random() < 0.1 else picture(chance.randrange(4))
            a = self.send("POST", "/v1/models/%s/explain%s" % (chance.choice(["tiny", "swap"]), chance.choice(QUERIES)), image, {"Content-Type": "image/png"}, connection)
            self.saw("questions", a.status, 200, 400, 422, 429, 503, 504)
            if a.headers["Connection"] == "close":
                break
        connection.close()

    def batches(self, chance):
        many = [{"image": {"b64": b64(picture(i % 3))}, "why_not": "auto:2", "outputs": ["overlay", "raw"]} for i in range(chance.randrange(1, 9))]
        a = self.send("POST", "/v1/models/tiny/explain", json.dumps({"instances": many}), JSON)
        self.saw("batches", a.status, 200, 429, 503, 504)

    def leave(self, chance):
        """Closes before the answer, at any moment."""
        image = self.big if chance.random() < 0.5 else picture(1)
        head = "POST /v1/models/tiny/explain?outputs=overlay&why_not=auto:3&maps=contrast,rival HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (TOKEN, len(image))
        with socket.create_connection(("127.0.0.1", self.d.port), 20) as s:
            s.sendall((head.encode() + image)[:chance.choice([30, len(head), len(head) + 50, 1 << 20])])
            time.sleep(chance.random() * 0.05)
        self.saw("clients that left", 0, 0)

    def drip(self, chance):
        with socket.create_connection(("127.0.0.1", self.d.port), 20) as s:
            for c in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
                s.sendall(bytes([c]))
                time.sleep(0.02)
        self.saw("slow clients", 0, 0)

    def load(self, chance):
        """The file replaced, and loaded over HTTP or by SIGHUP, which reads the keys again too."""
        path = os.path.join(self.folder, "swap", "model.onnx")
        with open(path + ".new", "wb") as f:
            f.write(tiny_onnx.classifier(seed=chance.choice([1, 2])) if chance.random() < 0.9 else b"no network")
        os.rename(path + ".new", path)
        if chance.random() < 0.5:
            self.d.process.send_signal(signal.SIGHUP)
            self.saw("SIGHUP", 0, 0)
        else:
            a = self.send("POST", "/v2/repository/models/swap/load", "{}", JSON)
            self.saw("loads", a.status, 200, 422, 400, 503)
        if chance.random() < 0.1:
            a = self.send("POST", "/v2/repository/models/other/%s" % chance.choice(["load", "unload"]), "{}", JSON)
            self.saw("loads", a.status, 200, 404, 422, 400, 503)
        time.sleep(0.1)

    def look(self, chance):
        path = chance.choice(["/metrics", "/livez", "/readyz", "/v1/models", "/openapi.json", "/v1/models/swap/layers", "/v1/evaluations", "/", "/nothing", "/v2/models/tiny"])
        self.saw("looks", self.send("GET", path).status, 200, 404, 503)

    def evaluate(self, chance):
        body = {"methods": ["gradcam", "la"], "contrasts": "logit,pair", "metrics": "content,confidence,insertion", "instances": [{"image": {"b64": b64(picture(i))}} for i in range(3)]}
        a = self.send("POST", "/v1/models/%s/evaluate" % chance.choice(["tiny", "swap"]), json.dumps(body), JSON)
        self.saw("evaluations", a.status, 202, 429, 503)
        if a.status != 202:
            return time.sleep(0.05)
        address = a.headers["Location"]
        for _ in range(chance.randrange(1, 20)):
            if self.send("GET", address).json.get("state") not in ("waiting", "running"):
                break
            time.sleep(0.05)
        if chance.random() < 0.5:
            self.saw("cancelled", self.send("POST", address + "/cancel").status, 200, 202, 404, 409)
        self.saw("results", self.send("GET", address + "/results").status, 200, 404, 409)

    def total(self):
        return sum(self.counts.values())


def reports(base):
    texts = []
    for path in glob.glob(base + ".*"):
        with open(path, errors="replace") as f:
            texts += re.findall(r"WARNING: ThreadSanitizer: .*?(?=\n==================|\Z)", f.read(), re.S)
    return texts


def storm(folder, keys, base, wanted, ends):
    """(requests, what was odd, exit code)"""
    # oneDNN's cache hands what one thread made to another one by atomics that the sanitizer cannot see in a library that was not built for it: every
    # tenth run reported that the other thread read it
    environment = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0",
                   "TSAN_OPTIONS": "suppressions=%s log_path=%s exitcode=0 halt_on_error=0 second_deadlock_stack=1 report_thread_leaks=%d" %
                   (SUPPRESSIONS, base, ends == 1)}  # who is told twice to end leaves its threads where they are, on purpose
    options = ["--workers", "2", "--http-threads", "3", "--keys", keys, "--model-control", "--header-timeout-ms", "600", "--idle-timeout-s", "2", "--access-log=true", "--drain-ms", "300",
               "--shutdown-timeout-ms", "60000", "--max-evaluations", "4", "--stack-cache-bytes", "200000"]
    d = daemon.Daemon(folder, *options, environment=environment)
    s = Storm(d, folder)
    for t in s.threads:
        t.start()
    try:
        daemon.wait_until(lambda: s.total() >= wanted or d.process.poll() is not None, SECONDS)
    finally:
        for _ in range(ends):
            if d.process.poll() is None:
                d.process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
        code = d.process.wait(120)
        s.stop.set()
        for t in s.threads:
            t.join()
        d.process.stdout.close()
        d.log.close()
    return s, code


def main():
    if not is_thread_sanitized(os.environ["WHYNOTD"]):
        if not FULL:
            skip("the daemon is not built with ThreadSanitizer; --full builds one")
        os.environ["WHYNOTD"] = build()
    with open(SUPPRESSIONS) as f:
        lines = [line for line in f.read().splitlines() if line and not line.startswith("#")]
    figure("G12 suppressions", len(lines), 5, len(lines) <= 5)
    base = tempfile.mkdtemp()
    models, keys = os.path.join(base, "models"), os.path.join(base, "keys")
    os.mkdir(models)
    daemon.tiny_models(models)
    daemon.write_model(models, "swap", tiny_onnx.classifier(seed=1), daemon.LABELS, 16)
    with open(keys, "w") as f:
        f.write("all predict,explain,admin %s\n" % TOKEN)
    os.chmod(keys, 0o600)
    done, odd, codes, kinds = 0, [], [], {}
    for ends, wanted in ((1, WANTED * 8 // 10), (2, WANTED * 2 // 10)):  # one drain, one that is told twice
        s, code = storm(models, keys, os.path.join(base, "tsan"), wanted, ends)
        done, codes, odd = done + s.total(), codes + [code], odd + s.odd
        kinds = {k: kinds.get(k, 0) + s.counts.get(k, 0) for k in itertools.chain(kinds, s.counts)}
    found = reports(os.path.join(base, "tsan"))
    figure("G12 requests", done, WANTED, done >= WANTED, str(kinds))
    figure("G12 races reported", len(found), 0, not found)
    for text in found[:10]:
        print(text[:3000])
    figure("G12 answers that are none of those allowed", len(odd), 0, not odd, str(sorted(set(odd))[:8]))
    figure("G12 exit codes", str(codes), "[0, 0]", codes == [0, 0])
    if all(c == 0 for c in codes) and not found:
        shutil.rmtree(base)
    finish()


main()
