#!/usr/bin/env python3
"""G11: clients that drip a byte a second into a head, its first line, a body, and that do not read what they asked for. They are cut at their deadline; good
clients notice nothing; an idle connection costs little. And a daemon without descriptors neither spins nor stays deaf."""
import json
import os
import resource
import select
import socket
import subprocess
import tempfile
import time

from gate import BENCH, FULL, Others, clock, cpu_seconds, daemon, descriptors, figure, finish, is_sanitized, latency, skip, status_kb
import tiny_onnx

EACH, READERS = (1000, 1000) if FULL else (150, 40)
SIDE = 1024  # of a picture whose raw map is more than the kernel takes of an answer
PATIENCE = 20  # seconds without any news before the rest counts as never cut
answers, told_late = [], []
HEAD_S, BODY_S, REPLY_S = (3, 5, 6) if FULL else (1.5, 2.0, 2.5)
FLOOR_MS = 3  # the attackers run on the same cores: what a request that takes half a millisecond waits for its turn is theirs
GOOD_RATE = 400  # requests a second of the good clients
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
folder = tempfile.TemporaryDirectory()
daemon.tiny_models(folder.name)
PICTURE = daemon.picture(1)
POST = b"POST /v1/models/tiny/explain HTTP/1.1\r\nHost: localhost\r\n"
LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
daemon.write_model(folder.name, "wide", tiny_onnx.classifier(SIDE, 2, 4, 1), list("abcd"), SIDE)  # whose maps are large; kept, they cost no pass
KINDS = {
    "head": (POST + b"X: ", HEAD_S),
    "first line": (b"GET /", HEAD_S),
    "first line behind an answer": (b"GET /", HEAD_S),
    "body": (POST + b"Content-Length: 100000\r\n\r\n", BODY_S),
    "reply": (POST.replace(b"tiny/explain ", b"wide/explain?outputs=raw&reuse=true ") + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE, REPLY_S),
}


class Good:
    """Good clients, in a process of their own so that they never wait for the attackers: questions at a steady rate, each timed from when it was due."""

    def __init__(self, d, seconds):
        options = ["--rate", str(GOOD_RATE), "--arrivals", "constant", "--duration", str(seconds), "--warmup", "0.2", "--body", good_picture, "--json"]
        self.process = subprocess.Popen([BENCH, "http", "http://127.0.0.1:%d/v1/models/tiny/explain" % d.port, *options], stdout=subprocess.PIPE)

    def report(self):
        """(p99 in ms, how many were answered, what else happened)."""
        report = json.loads(self.process.communicate(timeout=120)[0])
        other = {k: n for k, n in (*report["status"].items(), *report["errors"].items()) if n and k != "200"}
        return report["latency_ms"]["ok"]["p99"], report["status"].get("200", 0), other


def attack(d, kind, all_there):
    """(how many, seconds until each was cut: since it came, or since its answer was there to be read). Calls all_there() when all are slow."""
    first, limit = KINDS[kind]
    n = READERS if kind == "reply" else EACH
    open_ones, begun, ends = {}, {}, []
    for _ in range(n):
        s = socket.socket()
        if kind == "reply":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", d.port))
        if kind == "first line behind an answer":
            s.sendall(LIVE)
            s.recv(4096)
        s.setblocking(False)
        sent = 0
        while sent < len(first):
            try:
                sent += s.send(first[sent:])
            except BlockingIOError:
                has(s, select.POLLOUT, 1000)
        open_ones[s.fileno()] = s
        if kind != "reply":
            begun[s.fileno()] = time.monotonic()
    last, told, tick = time.monotonic(), False, 0
    number = {fd: i for i, fd in enumerate(open_ones)}
    while open_ones and time.monotonic() - last < limit + PATIENCE:
        tick += 1
        for fd, s in list(open_ones.items()):
            if (number[fd] + tick) % 5:  # looked at five times a second, and not all at once
                continue
            gone = False
            try:
                if kind == "reply":
                    gone = is_closed(s)
                    if fd not in begun and has(s, select.POLLIN):
                        begun[fd] = last = time.monotonic()
                        answers.append(s.recv(12, socket.MSG_PEEK))
                        if answers[-1].endswith(b"429"):  # is no slow reader then
                            s.close()
                            del open_ones[fd]
                            continue
                else:
                    if (number[fd] // 5 + tick // 5) % 5 == 0:  # a byte a second
                        s.send(b"a")
                    while not gone:
                        said = s.recv(4096)
                        told_late.append(said[9:12] == b"408")
                        gone = said == b""
            except BlockingIOError:
                pass
            except OSError:
                gone = True
            if gone:
                ends.append(time.monotonic() - begun.get(fd, 0))
                s.close()
                del open_ones[fd]
        if not told and (kind != "reply" or len(answers) == n):
            told = True
            all_there()
        time.sleep(0.04)
    for s in open_ones.values():
        s.close()
    return n - sum(a.endswith(b"429") for a in answers), ends


def is_closed(s):
    """Without reading: whether the other side has sent its end or a reset."""
    return has(s, select.POLLRDHUP | select.POLLHUP | select.POLLERR)


def has(s, what, ms=0):
    poll = select.poll()
    poll.register(s, what)
    return any(seen & what for _, seen in poll.poll(ms))


if not os.path.exists(BENCH):
    skip("it needs whynot-bench")
good_picture = os.path.join(folder.name, "good.png")
with open(good_picture, "wb") as f:
    f.write(PICTURE)
options = ["--header-timeout-ms", str(int(HEAD_S * 1000)), "--body-timeout-ms", str(int(BODY_S * 1000)), "--reply-timeout-ms", str(int(REPLY_S * 1000)), "--idle-timeout-s", "60",
           "--workers", "1", "--max-queue-size", "4096", "--max-queue-wait-ms", "0",
           "--request-timeout-ms", "600000"]
with daemon.Daemon(folder.name, *options) as d:
    alone, _, _ = Good(d, 5 if FULL else 1).report()
    assert b" 200 " in d.raw(KINDS["reply"][0])[:20]  # its maps are kept from now on
    before = status_kb(d.process.pid, "VmRSS")
    idle = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(EACH)]
    time.sleep(0.5)
    each = (status_kb(d.process.pid, "VmRSS") - before) / EACH
    figure("G11", round(each, 1), 10, each <= 10 or is_sanitized(), "KiB for each of %d idle connections" % EACH)
    for s in idle:
        s.sendall(LIVE)
        s.recv(4096)
    time.sleep(0.5)
    each = (status_kb(d.process.pid, "VmRSS") - before) / EACH
    figure("G11", round(each, 1), 80, each <= 80 or is_sanitized(), "KiB for each of those when it was answered and is kept")
    for s in idle:
        s.close()
    held = 0
    for kind in KINDS:
        good = []
        others = Others(d.process.pid)
        n, ends = attack(d, kind, lambda: good.append(Good(d, KINDS[kind][1] / 2)))
        p99, answered, other = good[0].report() if good else (1e9, 0, "never began")
        late = KINDS[kind][1] + 1
        clock("G11", max(ends, default=1e9), late, len(ends) == n, "seconds until the last of %d clients slow with their %s was cut; %d were" % (n, kind, len(ends)))
        limit = max(2 * alone, FLOOR_MS)
        latency("G11", round(p99, 2), "<= %.2f" % limit, p99 <= limit, others.cores(), "p99 in ms of good requests while all of these are there; before %.2f" % alone)
        figure("G11", answered, "all", answered and not other, "good requests answered meanwhile; others: %s" % other)
        if kind == "body":
            figure("G11", sum(told_late), n, sum(told_late) == n, "of them were told 408 first")
        if kind == "reply":
            figure("G11", n, "10 or more", n >= 10, "of %d slow readers got an answer of several megabytes to hold, the others 429" % READERS)
            figure("G11", len(answers), READERS, len(answers) == READERS, "of them were answered at all")
        held = max(held, status_kb(d.process.pid, "VmHWM") - before)
    figure("G11", held // 1024, 256 + 64 + 64, held // 1024 <= 256 + 64 + 64 or is_sanitized(),
           "MiB that all of this took at most: max_bytes_in_flight, the kept maps, and what is just being written")
    daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") == 1, 10)
    figure("G11-after", d.metric("whynot_body_bytes_in_flight"), 0, d.metric("whynot_body_bytes_in_flight") == 0, "bytes of bodies held afterwards")

# With few descriptors: connections run out first, which costs nothing; those that are there are answered, and those that wait later.
wrapper = os.path.join(folder.name, "few")
with open(wrapper, "w") as f:
    f.write("#!/bin/sh\nexec prlimit --nofile=160:160 '%s' \"$@\"\n" % os.environ["WHYNOTD"])
os.chmod(wrapper, 0o755)
os.environ["WHYNOTD"] = wrapper
with daemon.Daemon(folder.name, "--workers", "1") as d:
    pid, held = d.process.pid, d.connect()
    assert d.request("GET", "/livez", connection=held).status == 200
    waiting = [socket.create_connection(("127.0.0.1", d.port), 5) for _ in range(300)]
    for s in waiting:
        s.sendall(LIVE)
    time.sleep(0.3)
    cpu = cpu_seconds(pid)
    time.sleep(1)
    burnt = cpu_seconds(pid) - cpu
    status = d.request("GET", "/livez", connection=held).status
    figure("G11-descriptors", round(burnt, 3), 0.05, burnt <= 0.05 and status == 200 and descriptors(pid) < 160,
           "share of a processor with more clients than descriptors (%d of 160 in use); a client that was there got %d" % (descriptors(pid), status))
    answered = 0
    for s in waiting:
        s.settimeout(5)
        try:
            answered += b"alive" in s.recv(4096)
        except OSError:
            pass
        s.close()
    held.close()
    status = d.get("/livez").status
    figure("G11-descriptors", answered, len(waiting), answered == len(waiting) and status == 200, "of those that waited were answered as others left; a new one %d" % status)
finish()
