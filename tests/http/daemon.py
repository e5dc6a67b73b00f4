"""Model folders for tests, a daemon to drive, and requests to send it: standard library only."""
import base64
import ctypes
import functools
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import zlib

import tiny_onnx


@functools.lru_cache
def library_is_strict():
    """libmicrohttpd 1.0 refuses by itself, in HTML or by closing the connection, most of what the daemon refuses behind an older one."""
    libraries = subprocess.run(["ldd", os.environ["WHYNOTD"]], stdout=subprocess.PIPE).stdout.decode()
    found = re.search(r"libmicrohttpd\.so\S* => (\S+)", libraries)
    if not found:
        return False
    version = ctypes.CDLL(found.group(1)).MHD_get_version
    version.restype = ctypes.c_char_p
    return not version().startswith(b"0.")


LABELS = ["no left turn", "no right turn", "no entry", "no vehicles", "speed limit 30", "speed limit 50", "speed limit 80",
          "turn left ahead", "turn right ahead", "yield", "stop", "priority, road"]


def png(width, height, pixel, color=2):
    """pixel(x, y) -> bytes of one pixel."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    return png_file(width, height, zlib.compress(rows), color)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(width, height, data, color=2):
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def picture(seed, width=24, height=20):
    """A picture unlike that of any other seed."""
    base = [(seed * k + 40) % 200 for k in (67, 113, 29)]

    def pixel(x, y):
        v = (x * (7 + seed) + y * (13 + 3 * seed)) % 56
        return [b + (v if (x // 6 + y // 5 + seed) % 3 == c else 55 - v) for c, b in enumerate(base)]
    return png(width, height, pixel)


def read_png(data):
    """(width, height, color type, raw rows with their filter bytes)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, idat, head = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0], "chunk checksum"
        head = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else head
        idat += body if kind == b"IDAT" else b""
        at += 12 + size
    return head[0], head[1], head[3], zlib.decompress(idat)


def write_model(folder, name, onnx, labels, size, **more):
    path = os.path.join(folder, name)
    os.makedirs(path)
    manifest = {"name": name, "version": "1", "description": "a small network with random weights",
                "input": {"size": [size, size], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}
    manifest.update(more)
    with open(os.path.join(path, "model.onnx"), "wb") as f:
        f.write(onnx)
    with open(os.path.join(path, "labels.txt"), "w") as f:
        f.write("".join(label + "\n" for label in labels))
    with open(os.path.join(path, "manifest.json"), "w") as f:
        json.dump(manifest, f)
    return path


def tiny_models(folder):
    write_model(folder, "tiny", tiny_onnx.classifier(seed=1), LABELS, 16)
    write_model(folder, "other", tiny_onnx.classifier(seed=2, classes=4), ["a", "b", "c", "d"], 16)
    return folder


def slow_model(folder, size, convolutions):
    """Slow enough that requests pile up behind it."""
    write_model(folder, "slow", tiny_onnx.classifier(size, 32, 4, convolutions), ["a", "b", "c", "d"], size)
    return folder


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body, parse_constant=lambda x: 1 / 0)  # NaN and Infinity are not JSON


class Daemon:
    """whynotd on a free port, over the models of a folder; stopped (and its exit code checked) at the end of a with."""

    def __init__(self, models, *options, environment=None, wait=True, program=None):
        self.log = tempfile.TemporaryFile()
        command = [program or os.environ["WHYNOTD"], models, "--port", "0", "--drain-ms", "50", *options]
        env = dict(os.environ, **(environment or {}))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=env)
        self.table, self.port = [], None
        if wait:
            self.read_table()

    def read_table(self):
        for line in self.process.stdout:
            self.table.append(line.decode())
            found = re.match(r"http://.*:(\d+)/metrics", self.table[-1])
            if found:
                self.port = int(found.group(1))
                return
        raise AssertionError("the daemon ended: " + "".join(self.table) + self.errors())

    def errors(self):
        """What it wrote so far. The daemon writes where the file's position is: that must not be moved."""
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode()

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        early, begin = self.process.poll(), time.monotonic()
        code = self.stop()
        text = self.errors()
        self.log.close()
        if kind is not None:
            print("the daemon's exit code: %s%s; its last words:\n%s" % (code, "" if early is None else " (by itself)", text[-2000:]))
        if kind is None:
            assert code == 0, "exit code %d: %s" % (code, text[-3000:])
            assert time.monotonic() - begin < 20, "it took its whole patience to stop: %s" % text[-3000:]  # something is not over that nobody waits for
            assert "Sanitizer" not in text and "runtime error" not in text, text[-6000:]

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def request(self, method, path, body=None, headers=None, connection=None):
        c = connection or self.connect()
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        answer = Answer(r.status, r.headers, r.read())
        if not connection:
            c.close()
        return answer

    def get(self, path, **headers):
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def explain(self, image, query="", model="tiny", connection=None, **headers):
        sent = {"Content-Type": "image/png"}
        sent.update({k.replace("_", "-"): v for k, v in headers.items()})
        return self.request("POST", "/v1/models/%s/explain%s" % (model, query), image, sent, connection)

    def ask(self, question, path="/v1/models/tiny/explain"):
        return self.request("POST", path, json.dumps(question), {"Content-Type": "application/json"})

    def raw(self, data, timeout=20, half_close=False):
        """Sends bytes as they are; returns all that came until the other side closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as s:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            out = b""
            try:
                while chunk := s.recv(65536):
                    out += chunk
            except (socket.timeout, ConnectionResetError):
                pass
            return out

    def metric(self, line, headers=None):
        for text in self.request("GET", "/metrics", headers=headers).body.decode().splitlines():
            if text.startswith(line + " "):
                return float(text.rsplit(" ", 1)[1])
        return 0.0


def b64(data):
    return base64.b64encode(data).decode()


def in_threads(n, function):
    """Runs function(i) in n threads; raises the first failure."""
    failures = []

    def guarded(i):
        try:
            function(i)
        except BaseException as e:  # the test must see whatever it was
            failures.append(e)
    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


ROOM_S = 10  # what bounds on the clock add for a busy machine: tests find what hangs, gates what is slow


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come true in %d s" % seconds)
