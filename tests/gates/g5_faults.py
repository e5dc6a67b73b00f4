#!/usr/bin/env python3
"""G5, G5b: every allocation of a request, of a load and of a start fails once, and from then on; every system call that can fail does. The daemon lives, answers 5xx or
closes, and answers the next request as if nothing had been."""
import hashlib
import http.client
import json
import os
import signal
import socket
import tempfile
import time

from gate import FULL, Faults, daemon, figure, finish

faults = Faults()
folder = tempfile.TemporaryDirectory()
daemon.tiny_models(folder.name)
PICTURE = daemon.picture(1)
JPEG = None
sample = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "media", "golden")
for name in sorted(os.listdir(sample)) if os.path.isdir(sample) else []:
    if name.endswith((".jpg", ".jpeg")):
        with open(os.path.join(sample, name), "rb") as f:
            JPEG = f.read()
        break
BODY = json.dumps({"instances": [{"image": {"b64": daemon.b64(p)}, "outputs": "heatmap,overlay,raw,bbox", "maps": "contrast,target,rival", "why_not": "auto:2"}
                                 for p in ([PICTURE, JPEG] if JPEG else [PICTURE])]}).encode()
# A number that is longer than the first buffer of jansson's lexer: without memory for a larger one it fails an assertion.
LONG = ('{"epsilon": 0.000001%s1, "method": "lrp", "image": {"b64": "%s"}}' % ("0" * 60, daemon.b64(PICTURE))).encode()
CONFIG = ('<View><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="stop"/><Choice value="no such class"/></Choices>'
          '<%s name="e" toName="i"><Label value="a &amp; b"/><Label value="c"/></%s></View>')
CHOICE = {"type": "choices", "from_name": "c", "value": {"choices": ["stop"]}}
TASKS = [json.dumps({"tasks": [{"data": {"image": "data:image/png;base64," + daemon.b64(PICTURE)}, "annotations": [{"result": [CHOICE]}] if i else []} for i in range(2)],
                     "label_config": CONFIG % (tag, tag)}).encode() for tag in ("BrushLabels", "PolygonLabels")]
ALLOWED = {200, 500, 503, 504}  # whatever fails here, it is not the client's fault


def ask(d, body=BODY, path="/v1/models/tiny/explain", kind="application/json", timeout=10):
    """The status; 0: closed without one; -1: no answer in time."""
    try:
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=timeout)
        c.request("POST", path, body, {"Content-Type": kind})
        r = c.getresponse()
        text = r.read()
        c.close()
        if r.status == 200 or r.getheader("Content-Type") == "application/problem+json":
            json.loads(text)
        return r.status
    except socket.timeout:
        return -1
    except (ConnectionError, http.client.HTTPException):
        return 0


# These end the process themselves when they get no memory (libgomp by exit(1); oneDNN 2.6 uses some of its own pointers unlooked, and throws before
# main): nothing of ours could change that, so it is counted by itself. A supervisor starts the daemon again.
FATAL = ("libdnnl", "libgomp", "libstdc++", "ld-linux")
# The CUDA runtime is linked in; it registers its kernels before main and follows the pointers that it did not get.
with open(os.environ["WHYNOTD"], "rb") as program:
    HAS_CUDA = b"__cudaRegisterFatBinary" in program.read()


def before_main(kind, how, errors):
    return HAS_CUDA and kind == "memory" and how == -signal.SIGSEGV and faults.who == "whynotd" and not errors


class Tally:
    def __init__(self):
        self.runs, self.bad, self.statuses, self.theirs = 0, [], {}, 0

    def see(self, what, who, status, alive, after):
        self.runs += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if not alive and who.startswith(FATAL):
            self.theirs += 1
        elif status == -1 or (status and status not in ALLOWED) or not alive or after != 200:
            self.bad.append("%s: answer %s, alive %s, next %s" % (what, status, alive, after))


WARM_UP = 5  # answers


class Subject:
    """A daemon that is started again where it died, so that one death does not hide the next."""

    def __init__(self):
        self.start()

    def start(self):
        faults.disarm()
        self.d = daemon.Daemon(folder.name, "--workers", "1", environment=faults.environment)
        for _ in range(WARM_UP):
            assert ask(self.d) == 200

    def stop(self):
        code = self.d.stop()
        text = self.d.errors()
        self.d.log.close()
        return code, text


def ask_tasks(d, body):
    return ask(d, body, "/v1/models/tiny/label-studio/predict")


def torture(subject, kind, tally, from_then_on, limit, step=1, asked=ask):
    """Until a whole request passes without a failure."""
    n = 1
    while n <= limit:
        faults.arm(kind, n, from_then_on)
        status = asked(subject.d)
        refused, who = faults.disarm()[1], faults.who
        after, words = 0, ""
        for _ in range(20):  # it may still be on its way out
            after = asked(subject.d)
            if after == 200 or subject.d.process.poll() is not None:
                break
            time.sleep(0.05)
        alive = subject.d.process.poll() is None
        if not alive:
            code, text = subject.stop()
            words = " (%s: %s)" % (code, text.strip().splitlines()[-2:])
            subject.start()
        tally.see("%s %d%s, asked by %s%s" % (kind, n, " and on" if from_then_on else "", who, words), who, status, alive, after)
        if not refused:
            break
        n += step
    return n


def whole(line):
    try:
        return bool(json.loads(line)["time"])
    except (ValueError, KeyError):
        return False


def log_lines(tally):
    """Each answer has its line in the log, and a whole one, whatever becomes of the writing."""
    subject, answers = Subject(), WARM_UP

    def told():
        return sum('"status":200' in line for line in subject.d.errors().splitlines())

    def asked(d):
        nonlocal answers
        status, answers, end = ask(d), answers + 1, time.monotonic() + 2
        while told() < answers and time.monotonic() < end:  # a line comes behind its answer, and what fails is the line
            time.sleep(0.001)
        return status
    for kind in ("write_eintr", "write_eagain", "write_short"):
        torture(subject, kind, tally, False, 60 if FULL else 8, asked=asked)
    lost = answers - told()
    torn = [line for line in subject.d.errors().splitlines() if not whole(line)]
    figure("G5b lines of the log that are torn", len(torn), 0, not torn, "; ".join(torn[:2]))
    figure("G5b lines of the log that are lost", lost, 0, lost == 0, "of %d answers" % answers)
    subject.stop()


def requests():
    subject, tally = Subject(), Tally()
    reached = [torture(subject, "memory", tally, on, 5000, 1 if FULL else 3) for on in (False, True)]
    for on in (False, True):
        torture(subject, "memory", tally, on, 400, 1 if FULL else 3, lambda d: ask(d, LONG))
    for body in TASKS:
        for on in (False, True):
            torture(subject, "memory", tally, on, 5000, 1 if FULL else 7, lambda d, body=body: ask_tasks(d, body))
    figure("G5", len(tally.bad), 0, not tally.bad, "%d allocations failed in turn (once %d deep, and from then on %d deep); statuses %s; %d ended inside oneDNN or libgomp; %s" %
           (tally.runs, reached[0], reached[1], tally.statuses, tally.theirs, "; ".join(tally.bad[:5])))
    tally = Tally()
    for kind in ("send_short", "send_eintr", "send_eagain", "recv_eintr", "recv_reset", "accept_emfile", "accept_aborted", "epoll_eintr", "random", "mmap", "thread"):
        torture(subject, kind, tally, False, 60 if FULL else 8)
    log_lines(tally)
    figure("G5b", len(tally.bad), 0, not tally.bad, "%d system calls failed in turn; statuses %s; %s" % (tally.runs, tally.statuses, "; ".join(tally.bad[:5])))
    code, text = subject.stop()
    figure("G5-stop", code, 0, code == 0, text[-200:] if code else "")


def write(name, text):
    path = os.path.join(settings.name, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path


settings = tempfile.TemporaryDirectory()
SETTINGS = ["--config", write("whynotd.json", '{\n  // read at each start\n  "workers": 1, "max_instances": 3, "hosts": "a.example"\n}\n'),
            "--keys", write("keys", "one explain sha256:%s\ntwo - two-0123456789abcdef low\n" % ("0" * 64))]


def start(kind, n, from_then_on=False, seconds=20):
    """(how it ended: 'ready', an exit code or 'hang'), configuration and keys and models and all."""
    faults.arm(kind, n, from_then_on)
    d = daemon.Daemon(folder.name, *SETTINGS, environment=faults.environment, wait=False)
    end = time.monotonic() + seconds
    os.set_blocking(d.process.stdout.fileno(), False)
    text, how = b"", "hang"
    while time.monotonic() < end:
        text += d.process.stdout.read() or b""
        if d.process.poll() is not None:
            how = d.process.returncode
            break
        if b"/metrics\n" in text:
            how = "ready"
            break
        time.sleep(0.005)
    refused = faults.disarm()[1]
    if d.process.poll() is None:
        d.process.kill()
    d.process.wait()
    errors = d.errors()
    d.process.stdout.close()
    d.log.close()
    return how, refused, errors


def starts():
    """A start that finds no memory, no thread or no file ends with words, or with the model named as not ready."""
    bad, runs, theirs = [], 0, 0
    for kind, most, step in (("memory", 40000, 1 if FULL else 97), ("memory and on", 40000, 1 if FULL else 97), ("thread", 20, 1), ("open_eio", 400, 1 if FULL else 9), ("read_eio", 200, 1 if FULL else 7), ("read_short", 200, 1 if FULL else 7),
                             ("read_eintr", 200, 1 if FULL else 7), ("mmap", 300, 1 if FULL else 31),
                             ("fopen_eio", 40, 1), ("stdio_eio", 40, 1)):
        n, begin = 1, time.monotonic()
        while n < most and time.monotonic() - begin < (40 if FULL else 1.0):
            how, refused, errors = start(kind.split()[0], n, "on" in kind.split())
            runs += 1
            if how not in ("ready", 0, 1, 2, 3, 127) and (faults.who.startswith(FATAL) or before_main(kind.split()[0], how, errors)):
                theirs += 1
            elif how not in ("ready", 0, 1, 2, 3, 127) or "assert" in errors.lower():
                bad.append("%s %d, asked by %s: %s %s" % (kind, n, faults.who, how, errors[-150:]))
            if not refused:
                break
            n += step
    figure("G5-start", len(bad), 0, not bad, "%d starts with one failure each: ready, or an exit code that says why; %d ended inside oneDNN, libgomp, the loader or the CUDA runtime; %s" % (runs, theirs, "; ".join(bad[:5])))


def reloads():
    """A model that is loaded anew while something fails: it is the new one or the old one, says so, and loads when nothing fails."""
    import tiny_onnx
    path, nets, runs, theirs, bad, statuses = os.path.join(folder.name, "tiny", "model.onnx"), [tiny_onnx.classifier(seed=s) for s in (1, 2)], 0, 0, [], {}

    def replace(which):
        with open(path + ".new", "wb") as f:
            f.write(nets[which])
        os.rename(path + ".new", path)
        return hashlib.sha256(nets[which]).hexdigest()

    def begin():
        return daemon.Daemon(folder.name, "--workers", "1", "--model-control", environment=faults.environment)

    def load(d):
        return ask(d, b"{}", "/v2/repository/models/tiny/load")

    def answers(d):
        """The network that answers; None: none does, or the process has ended."""
        for _ in range(100):
            if d.process.poll() is not None:
                return None
            try:
                a = d.explain(PICTURE)
                return a.json["model"]["sha256"] if a.status == 200 else None
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
        return None
    old, d = replace(0), begin()
    for kind, on, most, step in (("memory", False, 9000, 1 if FULL else 61), ("memory", True, 9000, 1 if FULL else 61), ("open_eio", False, 60, 1), ("read_eio", False, 60, 1), ("read_short", False, 60, 1),
                                 ("read_eintr", False, 60, 1), ("mmap", False, 60, 1), ("thread", False, 20, 1)):
        n, begun = 1, time.monotonic()
        while n < most and time.monotonic() - begun < (40 if FULL else 1.0):
            new = replace(runs % 2 == 0)
            faults.arm(kind, n, on)
            status = load(d)
            refused, runs = faults.disarm()[1], runs + 1
            statuses[status] = statuses.get(status, 0) + 1
            what = "%s %d%s, asked by %s: answer %s" % (kind, n, " and on" if on else "", faults.who, status)
            found = answers(d)
            if d.process.poll() is not None:
                theirs += faults.who.startswith(FATAL)
                bad += [] if faults.who.startswith(FATAL) else ["%s, ended with %s" % (what, d.process.returncode)]
                d.stop()
                d.log.close()
                d = begin()
            elif found not in ((new,) if status == 200 else (old, new)) or status not in (0, 200, 422, 500, 503):
                bad.append("%s, runs %s" % (what, found))
            elif load(d) != 200 or answers(d) != new:
                bad.append(what + ", and not loaded afterwards")
            old = new
            if not refused:
                break
            n += step
    lost, hups = [], 0
    versions = {"ver/1": 0, "ver/2": 1}
    for name, which in versions.items():  # the folder's own files are for both
        os.makedirs(os.path.join(folder.name, name))
        with open(os.path.join(folder.name, name, "model.onnx"), "wb") as f:
            f.write(nets[which])
    for name in ("manifest.json", "labels.txt"):
        with open(os.path.join(folder.name, "tiny", name)) as f, open(os.path.join(folder.name, "ver", name), "w") as g:
            g.write(f.read().replace('"name": "tiny", "version": "1"', '"name": "ver"'))
    assert ask(d, b"{}", "/v2/repository/models/ver/load") == 200
    for n in range(1, 200 if FULL else 40, 1 if FULL else 2):
        faults.arm("memory", n, n % 4 == 0)
        d.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 2  # a busy machine takes its time; at the end of the way nothing fails any more
        while not faults.failed() and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.05)  # for what fails from then on
        refused = faults.disarm()[1]
        hups += 1
        daemon.wait_until(lambda: d.process.poll() is not None or ask(d, b"{}", "/v2/repository/models/none/load") == 404)  # what came before is over
        for model, query in (("tiny", ""), ("other", ""), ("ver", "?version=1"), ("ver", "?version=2")):
            status = d.explain(PICTURE, query, model).status
            if status != 200:
                lost.append("%s%s after memory %d, asked by %s: %d" % (model, query, n, faults.who, status))
        if lost or not refused:
            break
    figure("G5-SIGHUP", len(lost), 0, not lost and hups > 5, "models that were lost because something failed while the folder was read again, %d times; %s" % (hups, "; ".join(lost)))
    code = d.stop()
    d.log.close()
    figure("G5-reload", len(bad), 0, not bad and code == 0 and 200 in statuses and len(statuses) > 1, "%d loads with one failure or from one on; statuses %s; %d ended inside oneDNN or libgomp; %s" % (runs, statuses, theirs, "; ".join(bad[:5])))


requests()
reloads()
starts()
finish()
