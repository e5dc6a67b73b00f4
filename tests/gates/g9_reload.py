#!/usr/bin/env python3
"""G9: models are replaced under load. Every answer is 200, and wholly of the one version that it names; a model that cannot be loaded changes
nothing; nothing leaks. --full: 100 reloads in 30 s under 16 clients; else 30 reloads in about 6 s under 8."""
import hashlib
import http.client
import json
import os
import shutil
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "http")]
os.environ.setdefault("WHYNOTD", os.path.join(ROOT, "build", "server", "whynotd"))
import daemon  # noqa: E402
import gate  # noqa: E402
import tiny_onnx  # noqa: E402

FULL = "--full" in sys.argv[1:]
CLIENTS, RELOADS, EACH_S = (16, 100, 0.3) if FULL else (8, 30, 0.2)
WARM_RELOADS = 20
LABELS = [["red %d" % i for i in range(12)], ["blue, %d" % i for i in range(12)]]
NETS = [tiny_onnx.classifier(32, 16, 12, 3, seed=s) for s in (1, 2)]
SHAS = [hashlib.sha256(n).hexdigest() for n in NETS]


def figure(name, *rest):
    gate.figure("G9 " + name, *rest)


def put(path, data):
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.rename(path + ".new", path)


def labels_of(which):
    return "".join(label + "\n" for label in LABELS[which]).encode()


def is_sanitized():
    with open(os.environ["WHYNOTD"], "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def p99_ms(times):
    return sorted(times)[int(len(times) * 0.99)] * 1e3


def parts(answer):
    return json.dumps([answer[k] for k in ("predictions", "target", "maps")], sort_keys=True)


class Load(gate.Load):
    """Clients that ask as fast as they are answered, and look at every answer."""

    def __init__(self, d, want, clients=CLIENTS):
        super().__init__(clients)
        self.d, self.want = d, want
        self.times, self.bad, self.mixed, self.seen = [], [], [], set()

    def client(self, i):
        c = self.d.connect()
        picture = daemon.picture(i % 4)
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                a = self.d.explain(picture, "?outputs=raw&top_k=12", "swap", connection=c)
            except (OSError, http.client.HTTPException) as e:
                self.bad.append(repr(e))
                c = self.d.connect()
                continue
            self.times.append(time.monotonic() - begin)
            if a.status != 200:
                self.bad.append((a.status, a.body[:200]))
                continue
            sha = a.json["model"]["sha256"]
            self.seen.add(sha)
            if parts(a.json) != self.want[sha][i % 4]:
                self.mixed.append(sha)


class Gate:
    def __init__(self, d, folder):
        self.d, self.folder, self.path = d, folder, os.path.join(folder, "swap")

    def load(self):
        return self.d.request("POST", "/v2/repository/models/swap/load").status

    def place(self, which):
        put(os.path.join(self.path, "labels.txt"), labels_of(which))
        put(os.path.join(self.path, "model.onnx"), NETS[which])

    def baseline(self):
        """What each version answers by itself."""
        want = {}
        for which in (0, 1):
            self.place(which)
            assert self.load() == 200
            want[SHAS[which]] = [parts(self.d.explain(daemon.picture(i), "?outputs=raw&top_k=12", "swap").json) for i in range(4)]
        assert want[SHAS[0]] != want[SHAS[1]]
        return want

    def reload_many(self, n, each_s, statuses):
        for i in range(n):
            begin = time.monotonic()
            if i % 10 == 9:
                put(os.path.join(self.path, "model.onnx"), NETS[i % 2][:-100] if i % 20 == 9 else b"no network")
                statuses["corrupt"].append(self.load())
            else:
                self.place(i % 2)
                statuses["good"].append(self.load())
            time.sleep(max(0, each_s - (time.monotonic() - begin)))

    def run_reloads(self):
        """Calm and reloading take turns, so that what else the machine does falls on both alike."""
        want = self.baseline()
        statuses = {"good": [], "corrupt": []}
        with Load(self.d, want):
            self.reload_many(WARM_RELOADS, 0.05, {"good": [], "corrupt": []})
        before = self.settled_rss()
        begin = time.monotonic()
        calm, others = [], gate.Others(self.d.process.pid)
        with Load(self.d, want) as load:
            for _ in range(RELOADS // 10):
                load.times, earlier = [], load.times
                time.sleep(EACH_S * 5)
                calm += load.times
                load.times = earlier
                self.reload_many(10, EACH_S, statuses)
        seconds, others = time.monotonic() - begin, others.cores()
        after = self.settled_rss()
        note = "%d answers in %.1f s of %d clients, %d + %d reloads, both versions seen: %s" % (
            len(load.times) + len(calm), seconds, CLIENTS, len(statuses["good"]), len(statuses["corrupt"]), len(load.seen) == 2)
        figure("answers that are not 200", len(load.bad), 0, not load.bad and len(load.seen) == 2, note + ("; first: %s" % (load.bad[0],) if load.bad else ""))
        figure("answers not wholly of the version they name", len(load.mixed), 0, not load.mixed, "maps and predictions compared bit for bit")
        figure("good reloads refused", sum(s != 200 for s in statuses["good"]), 0, set(statuses["good"]) == {200})
        figure("corrupt reloads not refused with 422", sum(s != 422 for s in statuses["corrupt"]), 0, set(statuses["corrupt"]) == {422})
        ratio = p99_ms(load.times) / p99_ms(calm)
        gate.latency("G9 p99 while reloading / p99 calm", round(ratio, 2), 2, ratio <= 2 or is_sanitized(), others,
                     "p99 %.1f ms against %.1f ms; the longest %.1f ms against %.1f ms" % (p99_ms(load.times), p99_ms(calm), max(load.times) * 1e3, max(calm) * 1e3))
        leaked = (after - before) / 1024
        figure("RSS after - before, MiB", round(leaked, 2), 1, leaked <= 1 or is_sanitized(), "%d reloads, after %d to warm up" % (RELOADS, WARM_RELOADS))
        one = self.d.metric('whynot_model_bytes{model="swap",version="1"}')
        daemon.wait_until(lambda: self.d.metric("whynot_models_bytes") == one)
        figure("models in memory at the end", 1, 1, True, "whynot_models_bytes is that of one model")

    def settled_rss(self):
        one = lambda: self.d.metric('whynot_model_bytes{model="swap",version="1"}')  # noqa: E731
        daemon.wait_until(lambda: self.d.metric("whynot_models_bytes") == one())
        return rss_kb(self.d.process.pid)

    def consistent(self):
        """The labels and the network that answer are of one version."""
        a = self.d.explain(daemon.picture(1), "?outputs=raw&top_k=1", "swap")
        if a.status != 200:
            return "status %d" % a.status
        which = SHAS.index(a.json["model"]["sha256"])
        return None if a.json["predictions"][0]["label"] in LABELS[which] else "labels of the other"

    def run_torn(self, seconds):
        """Files written in place, in pieces, cut short and in any order while they are loaded: a model is all of one version or not at all."""
        self.place(0)
        self.load()
        stop, statuses, wrong, slow = threading.Event(), {}, [], []

        def writer():
            i = 0
            while not stop.is_set():
                i += 1
                names = [("model.onnx", NETS[i % 2]), ("labels.txt", labels_of(i % 2))]
                whole = 0
                for name, data in names if i % 3 else names[::-1]:
                    if whole and time.monotonic() - whole > 0.015:  # so long the folder itself held files of two versions, at rest: nobody can tell
                        slow.append(i)
                    with open(os.path.join(self.path, name), "wb", buffering=0) as f:
                        half = len(data) // 2
                        f.write(data[:half])
                        if i % 4 == 0:
                            time.sleep(0.002)
                        f.write(data[half:])
                    whole = time.monotonic()
                    if i % 5 == 0:
                        time.sleep(0.003)
                if i % 7 == 0:
                    time.sleep(0.05)
        t = threading.Thread(target=writer)
        t.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.load()
            statuses[status] = statuses.get(status, 0) + 1
            found = self.consistent()
            if found:
                wrong.append(found)
        stop.set()
        t.join()
        good = set(statuses) <= {200, 422} and len(wrong) <= 10 * len(slow)
        figure("network and labels of two versions, files torn while loading", len(wrong), 0, good, "loads by status: %s; the writer was held up for longer than a file's age tells %d times" % (statuses, len(slow)))

    def run_folders(self, rounds):
        """The folder swapped for another, for a link, and taken away, under load: what answered goes on."""
        self.place(0)
        self.load()
        away, other = self.path + "-away", os.path.join(tempfile.mkdtemp(dir=os.path.dirname(self.folder)), "swap")
        shutil.copytree(self.path, other)
        put(os.path.join(other, "model.onnx"), NETS[1])
        put(os.path.join(other, "labels.txt"), labels_of(1))
        link, gone, wrong = set(), set(), []
        for _ in range(rounds):
            os.rename(self.path, away)
            gone.add(self.load())
            os.symlink(other, self.path)
            link.add(self.load())
            wrong += [w for w in [self.consistent()] if w]
            os.remove(self.path)
            os.rename(away, self.path)
            wrong += [w for w in [self.consistent()] if w]
        figure("a folder taken away or turned into a link: answers lost", len(wrong), 0,
               not wrong and gone <= {404, 422} and link <= {404, 422}, "load answered %s for gone, %s for a link" % (sorted(gone), sorted(link)))
        shutil.rmtree(os.path.dirname(other))


def main():
    base = tempfile.TemporaryDirectory()
    folder = os.path.join(base.name, "models")
    os.mkdir(folder)
    daemon.write_model(folder, "swap", NETS[0], LABELS[0], 32)
    with daemon.Daemon(folder, "--model-control", "--workers", "2") as d:
        g = Gate(d, folder)
        g.run_reloads()
        g.run_torn(10 if FULL else 3)
        g.run_folders(20 if FULL else 5)
        figure("crashes", 0 if d.process.poll() is None else 1, 0, d.process.poll() is None)
    base.cleanup()
    gate.finish()


if __name__ == "__main__":
    main()
