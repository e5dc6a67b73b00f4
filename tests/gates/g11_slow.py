#!/usr/bin/env python3
"""G11: clients that drip a byte a second into a head, into a body, and that do not read what they asked for. They are cut at their deadline; good
clients notice nothing; an idle connection costs little. And a daemon without descriptors neither spins nor stays deaf."""
import os
import random
import resource
import select
import socket
import tempfile
import threading
import time

from gate import FULL, ROOM_S, clock, cpu_seconds, daemon, descriptors, figure, finish, is_sanitized, status_kb

EACH = 1000 if FULL else 150
HEAD_S, BODY_S, REPLY_S = (3, 5, 6) if FULL else (1.5, 2.0, 2.5)
GOOD_S = 2.0 if is_sanitized() else 0.5
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
folder = tempfile.TemporaryDirectory()
daemon.tiny_models(folder.name)
PICTURE = daemon.picture(1)
POST = b"POST /v1/models/tiny/explain HTTP/1.1\r\nHost: localhost\r\n"
noise = random.Random(3).randbytes(3 * 600 * 600)
big = daemon.png(600, 600, lambda x, y: noise[3 * (600 * y + x):3 * (600 * y + x) + 3])
KINDS = {
    "head": (POST + b"X: ", HEAD_S),
    "body": (POST + b"Content-Length: 100000\r\n\r\n", BODY_S),
    "reply": ((POST.replace(b"explain ", b"explain?outputs=overlay&maps=contrast,target,rival&why_not=auto:5 ") + b"Content-Length: %d\r\n\r\n" % len(big) + big), REPLY_S),
}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def good_clients(d, over, times, failures):
    while not over.is_set():
        begin = time.monotonic()
        status = d.explain(PICTURE).status
        times.append(time.monotonic() - begin)
        if status != 200:
            failures.append(status)
        time.sleep(0.01)


def attack(d, kind):
    """(seconds until each was cut, in order)."""
    first, limit = KINDS[kind]
    n = EACH if kind != "reply" else 6  # each of these costs a second to answer, and holds several megabytes
    begin, open_ones, ends = time.monotonic(), {}, []
    for _ in range(n):
        s = socket.socket()
        if kind == "reply":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", d.port))
        s.setblocking(False)
        sent = 0
        while sent < len(first):
            try:
                sent += s.send(first[sent:])
            except BlockingIOError:
                select.select([], [s], [], 1)
        open_ones[s.fileno()] = (s, time.monotonic())
    while open_ones and time.monotonic() - begin < limit + 8 + ROOM_S:
        for fd, (s, born) in list(open_ones.items()):
            gone = False
            try:
                if kind == "reply":
                    gone = bool(select.select([], [], [s], 0)[2]) or s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or is_closed(s)
                else:
                    s.send(b"a")
                    gone = s.recv(100) == b""
            except BlockingIOError:
                pass
            except OSError:
                gone = True
            if gone:
                ends.append(time.monotonic() - born)
                s.close()
                del open_ones[fd]
        time.sleep(0.2)
    for s, _ in open_ones.values():
        s.close()
    return n, ends


def is_closed(s):
    """Without reading: whether the other side has sent its end or a reset."""
    poll = select.poll()
    poll.register(s, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


options = ["--header-timeout-ms", str(int(HEAD_S * 1000)), "--body-timeout-ms", str(int(BODY_S * 1000)), "--reply-timeout-ms", str(int(REPLY_S * 1000)), "--idle-timeout-s", "60",
           "--workers", "1", "--max-queue-size", "4096"]
with daemon.Daemon(folder.name, *options) as d:
    for _ in range(20):
        d.explain(PICTURE)
    alone = []
    for _ in range(100):
        begin = time.monotonic()
        d.explain(PICTURE)
        alone.append(time.monotonic() - begin)
        time.sleep(0.005)
    before = status_kb(d.process.pid, "VmRSS")
    idle = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(EACH)]
    time.sleep(0.5)
    each = (status_kb(d.process.pid, "VmRSS") - before) / EACH
    for s in idle:
        s.close()
    figure("G11", round(each, 1), 10, each <= 10 or is_sanitized(), "KiB for each of %d idle connections" % EACH)
    for kind in KINDS:
        over, times, failures = threading.Event(), [], []
        thread = threading.Thread(target=good_clients, args=(d, over, times, failures))
        thread.start()
        n, ends = attack(d, kind)
        over.set()
        thread.join()
        late = KINDS[kind][1] + 1 + (4 if kind == "reply" else 0)  # an answer is there only once it has been computed
        clock("G11", max(ends, default=1e9), late, len(ends) == n, "seconds until the last of %d clients slow with their %s was cut; %d were" % (n, kind, len(ends)))
        limit = max(2 * percentile(alone, 0.99), GOOD_S)
        p99 = percentile(times, 0.99)
        clock("G11", p99, round(limit, 4), not failures, "p99 in seconds of %d good requests meanwhile (alone %.4f), failures %s" % (len(times), percentile(alone, 0.99), failures[:3]))
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
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
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
