"""What the gates share: the daemon, the preloaded faults, figures as lines of JSON. A gate is an executable gN*.py that takes --full, prints a line a
figure and exits 0 (all hold), 1 (one does not) or 77 (cannot run here, or could not measure what it is about: that is never a pass)."""
import http.client
import json
import mmap
import os
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
os.environ.setdefault("WHYNOTD", os.path.join(ROOT, "build", "server", "whynotd"))
import daemon  # noqa: E402

FULL = "--full" in sys.argv[1:]
BENCH = os.environ.get("WHYNOT_BENCH", os.path.join(ROOT, "build", "clients", "bench", "whynot-bench"))
SHIM = os.environ.get("WHYNOT_FAULTS_SO", os.path.join(ROOT, "build", "tests", "gates", "libfaults.so"))
# As in faults.c.
KINDS = ("none memory send_short send_eintr send_eagain recv_eintr recv_reset accept_emfile accept_aborted thread open_eio read_eio read_short read_eintr mmap "
         "epoll_eintr random write_eintr write_eagain write_short epoll_eio watch timer fopen_eio stdio_eio").split()
SURVEY, MOST_PLACES = 2, 4000  # as in faults.c
held, unmeasured = [], []
MOST_OTHERS = 0.2  # cores that others may take while a latency is judged
ROOM_S = 0.0 if FULL else 10.0  # what the quick form adds to a bound on the clock: it finds what hangs, the full form what is slow


def figure(gate, value, limit, ok, note=""):
    held.append(bool(ok))
    print(json.dumps({"gate": gate, "figure": value, "limit": limit, "ok": bool(ok), "note": note}), flush=True)


def latency(gate, value, limit, ok, others, note=""):
    """A figure that other work on the machine can spoil. The quick form only prints it, for what runs every day runs on machines that do other things
    too; the full form judges it where it holds, or where nobody else can be blamed."""
    if FULL and (ok or others <= MOST_OTHERS):
        figure(gate, value, limit, ok, note)
        return
    why = "others took %.1f cores meanwhile" % others if FULL else "only --full judges the clock"
    if FULL:
        unmeasured.append(gate)
    print(json.dumps({"gate": gate, "figure": value, "limit": limit, "ok": None, "note": "not judged: %s; %s" % (why, note)}), flush=True)


def clock(gate, seconds, limit, ok=True, note=""):
    """Seconds on the clock, against a bound that work of others cannot excuse, and whether what was waited for was right."""
    figure(gate, round(seconds, 3), limit + ROOM_S, ok and seconds <= limit + ROOM_S, note)


def finish():
    sys.exit(1 if not all(held) or not held else 77 if unmeasured else 0)


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def is_sanitized():
    with open(os.environ["WHYNOTD"], "rb") as f:
        return b"__asan_init" in f.read() or b"__tsan_init" in f.read()


def is_busy(seconds=1.0):
    """Whether others use the machine: latencies would be theirs."""
    def ticks():
        with open("/proc/stat") as f:
            v = [int(x) for x in f.readline().split()[1:]]
        return v[3] + v[4], sum(v)
    idle, total = ticks()
    time.sleep(seconds)
    idle_then, total_then = ticks()
    return (idle_then - idle) < 0.7 * (total_then - total)


class Others:
    """Cores that neither this gate, nor what it ran and waited for, nor the daemon has used since."""

    def __init__(self, pid):
        self.pid, self.begin, self.start = pid, self.taken(pid), time.monotonic()

    @staticmethod
    def taken(pid):
        with open("/proc/stat") as f:
            v = [int(x) for x in f.readline().split()[1:9]]
        own = os.times()
        return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK") - sum(own[:4]) - cpu_seconds(pid)

    def cores(self):
        return max(0.0, (self.taken(self.pid) - self.begin) / (time.monotonic() - self.start))


class Faults:
    """The file through which libfaults.so is armed."""

    def __init__(self):
        if not os.path.exists(SHIM) or is_sanitized():
            skip("libfaults.so is not built, or the daemon has a sanitizer's malloc")
        self.file = tempfile.NamedTemporaryFile()
        self.file.truncate(1 << 17)
        self.map = mmap.mmap(self.file.fileno(), 1 << 17)
        self.environment = {"LD_PRELOAD": SHIM, "WHYNOT_FAULTS": self.file.name}

    def arm(self, kind, n, from_then_on=False, place=0):
        """The n-th such call fails, of all or of those from one place."""
        self.map[0:144] = struct.pack("<iiqqq96xQq", 0, int(from_then_on), n, 0, 0, place, 0)
        self.map[0:4] = struct.pack("<i", KINDS.index(kind))

    def survey(self, kind):
        """Nothing fails; see places()."""
        self.map[:] = bytes(len(self.map))
        self.arm(kind, 0, SURVEY)

    def failed(self):
        """How many calls of that kind failed since it was armed, which it stays."""
        return struct.unpack("<q", self.map[24:32])[0]

    def disarm(self):
        """(calls of that kind, how many of them failed) since it was armed."""
        self.map[0:4] = struct.pack("<i", 0)
        self.who = self.map[32:128].split(b"\0")[0].decode()
        return struct.unpack("<qq", self.map[16:32])

    def places(self):
        """[(place, library)] where such calls came from since survey(), in their order; disarms. A place is a way to a call: its last ten callers."""
        self.disarm()
        n = min(MOST_PLACES, struct.unpack("<q", self.map[136:144])[0])
        found = [struct.unpack("<Q24s", self.map[144 + 32 * i:176 + 32 * i]) for i in range(n)]
        return [(place, who.split(b"\0")[0].decode()) for place, who in found if place]


def status_kb(pid, field):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_exactly(pid):
    """To the nanosecond, of the threads that there are now; by ticks where the kernel does not keep it."""
    try:
        return sum(int(open("/proc/%d/task/%s/schedstat" % (pid, task)).read().split()[0]) for task in os.listdir("/proc/%d/task" % pid)) / 1e9
    except (OSError, ValueError):
        return cpu_seconds(pid)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Load:
    """Clients, each a thread that runs client(i) from the beginning of a `with` until `stop` is set at its end."""

    def __init__(self, clients):
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()


class Askers(Load):
    """They ask a port about a picture as fast as they are answered, over connections that are kept or over one for each question."""

    def __init__(self, port, body_of, clients, keep=True, query=""):
        super().__init__(clients)
        self.port, self.body_of, self.keep, self.path = port, body_of, keep, "/v1/models/tiny/explain" + query
        self.ok, self.lost, self.refused, self.times = 0, [], 0, []

    def client(self, i):
        c, body = None, self.body_of(i)
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                c = c or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                c.request("POST", self.path, body, {"Content-Type": "image/png"})
                r = c.getresponse()
                r.read()
                self.times.append(time.monotonic() - begin)
                self.ok += r.status == 200
                if r.status != 200:
                    self.lost.append(r.status)
                if not self.keep or r.getheader("Connection") == "close":
                    c.close()
                    c = None
            except ConnectionRefusedError:  # nobody listens, and says so: nothing was taken in
                self.refused += 1
                c = None
                time.sleep(0.01)
            except Exception as e:
                self.lost.append(repr(e))
                c = None
