#!/usr/bin/env python3
"""G5c: every command of the command line and the load generator, with each place that asks for memory (or opens, reads, starts a thread) failing in its
turn; and with a disk that takes no more. A command ends with words and an exit code, or as if nothing had been: never by a signal, never with less than it
says."""
import concurrent.futures
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

from gate import BENCH, FULL, Faults, daemon, figure, finish

WHYNOT = os.environ.get("WHYNOT", os.path.join(os.path.dirname(os.path.dirname(BENCH)), "whynot", "whynot"))
# Places that a quick run tries of each command; the full one tries all.
QUICK = {"memory": 14, "open_eio": 3, "read_eio": 3, "fopen_eio": 3, "stdio_eio": 3, "thread": 2}
# They end the process themselves where they get no memory, and cannot say so.
FATAL = ("libdnnl", "libgomp", "libstdc++", "ld-linux", "libcrypto", "libssl", "libgnutls", "libp11-kit", "libgcrypt", "libcublas", "libcudnn", "libcuda", "libnv")

folder = tempfile.TemporaryDirectory()
lock = threading.Lock()


def path(name):
    return os.path.join(folder.name, name)


def write(name, data):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as f:
        f.write(data)
    return path(name)


def run(words, environment=None, cwd=None, seconds=60, most=None):
    """most: bytes that a file of it may have, its output, which is a file then, among them."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("WHYNOT_")}
    env.update({"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **(environment or {})})
    def bound():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        with (open(os.path.join(cwd, "stdout"), "wb") if most is not None else contextlib.nullcontext(subprocess.PIPE)) as out:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, cwd=cwd, env=env, timeout=seconds,
                                  preexec_fn=bound if most is not None else None)
    except subprocess.TimeoutExpired:
        return "hang", "", ""
    return done.returncode, (done.stdout or b"").decode(errors="replace"), done.stderr.decode(errors="replace")


SAME, BUT_FOR_NUMBERS, ANY = range(3)


class Command:
    """Words, which files it finds and makes, and how far a good end has the same output each time."""

    def __init__(self, *words, same=SAME, finds={}, makes=(), program=WHYNOT):
        self.words, self.same, self.finds, self.makes = [program, *words], same, finds, makes
        self.name = " ".join(os.path.basename(w) for w in self.words[:3])

    def lay(self, cwd):
        for name, data in self.finds.items():
            with open(os.path.join(cwd, name), "wb") as f:
                f.write(data)

    def run_bounded(self, most):
        """(exit code, its words, size of the largest file that it left)"""
        with tempfile.TemporaryDirectory() as cwd:
            self.lay(cwd)
            code, _, err = run(self.words, None, cwd, most=most)
            files = [os.path.join(at, f) for at, _, names in os.walk(cwd) for f in names]
            return code, err, max(map(os.path.getsize, files))

    def run(self, environment=None):
        """(exit code, what it gave, its words)"""
        with tempfile.TemporaryDirectory() as cwd:
            self.lay(cwd)
            code, out, err = run(self.words, environment, cwd)
            for name in self.makes:
                if os.path.exists(os.path.join(cwd, name)):
                    with open(os.path.join(cwd, name), errors="replace") as f:
                        out += f.read()
        out = re.sub(r'"(took_ms|milliseconds|date|created)": ?[^,}\n]*|"device": ?"[^"]*"|"timings_ms":\{[^}]*\}', "", out)
        out = re.sub("base64,[A-Za-z0-9+/=]*", "", out) if self.same == BUT_FOR_NUMBERS else out  # pictures of numbers
        return code, re.sub(r"[-+]?[0-9][-+.0-9e, ]*", "0", out) if self.same == BUT_FOR_NUMBERS else out, err


def commands(url, earlier):
    """earlier: a line of an audit that was stopped."""
    remote, local = ["-m", "tiny", "--server", url, "--patience", "0"], ["-m", "tiny", "--models", path("models")]
    one, data = path("pictures/stop/1.png"), path("pictures")
    return [
        Command("explain", one, "-q", "auto:2", "--json", *remote),
        Command("explain", one, "-q", "auto:1", "--text", "--draw", "sixel", *remote),
        Command("explain", data, "-q", "auto:1", "--png", "maps", "--output", "lines", "--jobs", "1", *remote, makes=["lines"]),
        Command("explain", one, "-q", "yield", *local, same=BUT_FOR_NUMBERS),  # without memory for its packed weights the network computes with others, and the last bit differs
        Command("evaluate", data, "--metric", "confidence,content", "--method", "gradcam", "--contrast", "logit", "--report", "page", "--csv", "table", *local, same=BUT_FOR_NUMBERS, makes=["table", "page"]),
        Command("audit", data, "--csv", "table", "--report", "page", "--jobs", "1", *remote, makes=["table", "page"]),
        Command("audit", data, "--text", *local),
        Command("audit", path("labels.csv"), "--output", "lines", "--resume", "--jobs", "1", *remote, finds={"lines": earlier}, makes=["lines"]),
        Command("evaluate", path("data.jsonl"), "--metric", "confidence", "--method", "gradcam", "--contrast", "logit", "--json", *local, same=BUT_FOR_NUMBERS),
        Command("export", path("lines"), "--as", "cvat", "--to", "out", makes=["out"], same=BUT_FOR_NUMBERS),
        Command("export", path("lines"), "--as", "fiftyone", "--to", "out", makes=["out/samples.json"]),
        Command("models", "--server", url, "--patience", "0"),
        Command("labels", "turn", *remote),
        Command("layers", *remote),
        Command("methods", "--server", url, "--json", "--patience", "0"),
        Command("contrasts", "--models", path("models")),
        Command("connect", "label-studio", "--server", url, "-m", "tiny"),
        Command("import", path("models/tiny/model.onnx"), "--labels", path("models/tiny/labels.txt"), "--mean", "0.5", "--std", "0.25", "--name", "mine", "--to", "new", same=BUT_FOR_NUMBERS, makes=["new/mine/manifest.json", "new/mine/labels.txt", "new/mine/model.onnx"]),
        Command("import", path("models/tiny/model.onnx"), "--labels", path("labels.json"), "--preprocessor", path("preprocessor.json"), "--dry-run", same=BUT_FOR_NUMBERS),
        Command("config", "--effective", "--port", "8421"),
        Command("config"),
        Command("doctor", "--models", path("models"), same=ANY),
        Command("draw", one, path("pictures/yield/2.png"), "--as", "blocks"),
        Command("draw", one, "--as", "kitty"),
        Command("generate", "made", makes=["made/whynot.1", "made/whynot-audit.1", "made/whynotd.8", "made/whynot.bash", "made/_whynot", "made/every-option.json"]),
        Command("explain", "--help"),
        Command("http", url + "/v1/models/tiny/explain", "--body", one, "--duration", "0.1", "--warmup", "0", "--clients", "2", "--json", same=BUT_FOR_NUMBERS, program=BENCH),
        Command("http", url + "/healthz", "--rate", "50", "--duration", "0.1", "--warmup", "0", same=BUT_FOR_NUMBERS, program=BENCH),
        Command("engine", "--model", path("models/tiny/model.onnx"), "--rounds", "1", "--no-bare", "--json", same=BUT_FOR_NUMBERS, program=BENCH),
    ]


class Tally:
    def __init__(self):
        self.runs, self.places, self.theirs, self.bad, self.codes = 0, 0, 0, [], {}

    def complain(self, words):
        self.bad.append(words)
        say("FOUND " + words)

    def see(self, command, kind, on, who, code, out, err, good):
        what = "%s, %s%s, asked by %s" % (command.name, kind, " and on" if on else "", who)
        theirs = code not in range(6) and who.startswith(FATAL)
        with lock:
            self.runs += 1
            self.codes[code] = self.codes.get(code, 0) + 1
            if theirs:
                self.theirs += 1
                say("a library's: %s: ended with %s" % (what, code))
            elif code not in range(6):
                self.complain("%s: ended with %s %s" % (what, code, err[-200:]))
            elif code and not err.strip() and not out.strip():
                self.complain("%s: exit code %d without a word" % (what, code))
            elif code == 0 and command.same != ANY and not err.strip() and out != good:
                self.complain("%s: exit code 0 with less than there is: %d bytes of %d" % (what, len(out), len(good)))


def spread(places, most):
    """Evenly over all of them."""
    return places if len(places) <= most else [places[i * len(places) // most] for i in range(most)]


def say(words):
    """How far it is, for whoever waits: the full form takes its time."""
    if FULL:
        print("%s %s" % (time.strftime("%H:%M:%S"), words), file=sys.stderr, flush=True)


def torture(command, tally):
    faults = Faults()
    code, good, err = command.run(faults.environment)
    if code:
        tally.bad.append("%s, without any failure: %s %s" % (command.name, code, err[-200:]))
        return
    fill_disk(command, tally)
    for kind in QUICK:
        faults.survey(kind)
        command.run(faults.environment)
        places = [place for place, who in faults.places() if not who.startswith(FATAL)]
        with lock:
            tally.places += len(places)
        say("%s: %d places of %s" % (command.name, len(places), kind))
        for i, place in enumerate(places if FULL else spread(places, QUICK[kind])):
            for on in ((False, True) if FULL else (i % 2 == 1,)):
                faults.arm(kind, 1, on, place)
                code, out, err = command.run(faults.environment)
                faults.disarm()
                tally.see(command, kind, on, faults.who, code, out, err, good)
    say("%s: done; %d runs of all so far" % (command.name, tally.runs))


def fill_disk(command, tally):
    """A file system that takes no more, at first or half way, is seen by whoever writes: RLIMIT_FSIZE makes every file such."""
    code, err, largest = command.run_bounded(resource.RLIM_INFINITY)
    for most in sorted({0, largest // 2}):
        code, err, size = command.run_bounded(most)
        with lock:
            tally.runs += 1
            tally.codes[code] = tally.codes.get(code, 0) + 1
            if code not in range(1, 6) or not err.strip():
                tally.complain("%s, files of at most %d bytes instead of %d: ended with %s %s" % (command.name, most, largest, code, err[-200:]))


def main():
    Faults()  # or there is nothing to try here
    daemon.tiny_models(path("models"))
    for i, label in enumerate(("stop", "yield")):
        for k in (1, 2):
            write("pictures/%s/%d.png" % (label, k), daemon.picture(2 * i + k))
    pictures = [("pictures/%s/%d.png" % (label, k), label) for label in ("stop", "yield") for k in (1, 2)]
    write("labels.csv", ("path,label\n" + "".join("%s,%s\n" % p for p in pictures)).encode())
    write("data.jsonl", "".join(json.dumps({"image": name, "label": label, "rival": "speed limit 50"}) + "\n" for name, label in pictures).encode())
    write("labels.json", json.dumps(daemon.LABELS).encode())
    write("preprocessor.json", json.dumps({"do_resize": True, "size": {"height": 16, "width": 16}, "image_mean": [0.4853515625, 0.456, 0.406],
                                           "image_std": [0.229, 0.224, 0.225], "do_normalize": True, "do_rescale": True, "rescale_factor": 0.00392156862745098}).encode())
    tally = Tally()
    with daemon.Daemon(path("models"), "--access-log=false", "--labeling-model", "tiny") as d:
        url = "http://127.0.0.1:%d" % d.port
        code, out, err = run([WHYNOT, "audit", path("pictures"), "-m", "tiny", "--server", url, "--lines"])
        assert code == 0, err
        write("lines", out.encode())
        code, _, err = run([WHYNOT, "audit", path("labels.csv"), "-m", "tiny", "--server", url, "--output", path("earlier")])
        assert code == 0, err
        with open(path("earlier"), "rb") as f:
            earlier = f.readline()
        only = [w for w in sys.argv[1:] if not w.startswith("-")]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda c: torture(c, tally), [c for c in commands(url, earlier) if not only or any(w in c.name for w in only)]))
    for words in tally.bad:
        print(words)
    figure("G5c", len(tally.bad), 0, not tally.bad, "%d runs, %d places that ask for something; exit codes %s; %d ended inside a library; %s" %
           (tally.runs, tally.places, tally.codes, tally.theirs, "; ".join(tally.bad[:3])))


main()
finish()
