#!/usr/bin/env python3
"""G1: two thousand malformed pictures, bodies, requests and networks (a fifth of them in the quick form), made from a seed. Whatever our own code
answers is a 4xx problem; nothing takes longer than two seconds; nothing crashes."""
import json
import os
import random
import re
import socket
import tempfile
import time

from gate import FULL, HERE, clock, daemon, figure, finish, is_sanitized
import tiny_onnx

SHARE = 1 if FULL else 5
LIMIT_S = 8 if is_sanitized() else 2
rng = None  # each case's own, so that it is the same case in either form


def cases(kind, n):
    """The numbers of the cases: all, or every fifth."""
    global rng
    for i in range(0, n, SHARE):
        rng = random.Random("%s %d" % (kind, i))
        yield i


folder = tempfile.TemporaryDirectory()
daemon.tiny_models(folder.name)
golden = os.path.join(HERE, "..", "media", "golden")
files = {name: open(os.path.join(golden, name), "rb").read() for name in sorted(os.listdir(golden)) if name.endswith((".png", ".jpg"))}


def damage(data, i):
    """Cut at a 64th, a flipped bit, a length made huge or off by one, a piece doubled or taken out."""
    data, kind, at = bytearray(data), i % 6, rng.randrange(len(data))
    if kind == 0:
        return bytes(data[:len(data) * (1 + i // 6 % 63) // 64])
    if kind == 1:
        for _ in range(rng.choice((1, 1, 3, 20))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        data[at:at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"))
    elif kind == 3:
        data[at] = (data[at] + rng.choice((1, -1))) % 256
    elif kind == 4:
        data[at:at] = data[at:at + rng.randrange(1, 200)]
    else:
        del data[at:at + rng.randrange(1, 200)]
    return bytes(data)


# Why the HTTP library may answer in its own words (a line of HTML) before any of ours has seen the request: this list, and nothing else.
def no_version(lines, body):
    return not re.fullmatch(rb"HTTP/\d\.\d", lines[0].rsplit(b" ", 1)[-1].split(b"\0")[0])


def no_target(lines, body):
    return lines[0].count(b" ") < 2


def other_version(lines, body):
    return not no_version(lines, body) and b"HTTP/1." not in lines[0]


def no_colon(lines, body):
    return any(b":" not in line.split(b"\0")[0] and line[:1] not in (b" ", b"\t") for line in lines[1:])


def no_host(lines, body):
    """Or one that is folded, which the library takes for another name."""
    return not any(re.match(rb"host[ \t]*:", line, re.I) and not after[:1] in (b" ", b"\t") for line, after in zip(lines[1:], lines[2:] + [b""]))


def bad_length(lines, body):
    values = [line.split(b":", 1)[1].split(b"\0")[0].strip(b" \t") for line in lines[1:] if re.match(rb"content-length:", line, re.I)]
    return any(not re.fullmatch(rb"\d{1,18}", v) for v in values)


def bad_chunks(lines, body):
    return any(re.match(rb"transfer-encoding:[ \t]*chunked[ \t]*$", line, re.I) for line in lines[1:]) and not re.fullmatch(rb"(?s)ab\r\n.{171}\r\n0\r\n\r\n", body)


LIBRARY = {no_version: (400,), no_target: (400,), other_version: (400, 505), no_colon: (400,), no_host: (400,), bad_length: (400, 413), bad_chunks: (400, 413)}
assert len(LIBRARY) <= 15


def reason(request, status):
    """The name of the reason on that list for an answer of that status to these bytes, or None."""
    end = rb"(?:\r\n|\r(?!\n)|(?<!\r)\n)"
    head = re.match(rb"(?s)(?:\r?\n)*(.*?)" + end + end, request)
    lines = re.split(rb"\r\n|\r|\n", head.group(1) if head else request)
    body = request[head.end():] if head else b""
    if head and head.group().endswith(b"\r"):  # the library's head goes on: a line without a colon
        lines.append(b"")
    return next((why.__name__ for why, statuses in LIBRARY.items() if status in statuses and why(lines, body)), None)


class Count:
    def __init__(self):
        self.n, self.bad, self.slowest, self.library = 0, [], 0.0, {}

    def see(self, what, ok, seconds):
        self.n += 1
        self.slowest = max(self.slowest, seconds)
        if not ok or seconds > LIMIT_S:
            self.bad.append("%s (%.2f s)" % (what, seconds))


def is_fine(a):
    return a.status == 200 or (400 <= a.status < 500 and a.headers["Content-Type"] == "application/problem+json" and a.json["status"] == a.status)


def pictures(d, count, suffix, n):
    names = [f for f in files if f.endswith(suffix)]
    for i in cases(suffix, n):
        data = damage(files[names[i % len(names)]], i)
        begin = time.monotonic()
        a = d.explain(data)
        count.see("%s %d: %d" % (suffix, i, a.status), is_fine(a), time.monotonic() - begin)


def bodies(d, count, n):
    image = daemon.b64(daemon.picture(1, 8, 8))
    seeds = [{"image": {"b64": image}, "target": 3, "why_not": ["no entry", 4], "outputs": "raw", "id": "\u00e9\n\"\\"},
             {"instances": [{"image": {"b64": image}, "why_not": "auto:2"}, {"image": {"b64": image}, "method": "lrp", "contrast": "mean"}], "top_k": 3, "relu": True},
             {"image": {"b64": image}, "timeout_ms": 1000, "overlay": 0.25, "maps": ["contrast", "rival"], "size": "input"}]
    tokens = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"1e400", b"-0", b"\\ud800", b"\\u0000", b"\xff", b"\xef\xbb\xbf", b"NaN", b"99999999999999999999", b"=", b"\0", b"0x1",
              b"//", b"'", b"1.0e", b"\\x", b'"b64":', b'"instances":']
    for i in cases("json", n):
        data = bytearray(json.dumps(seeds[i % 3]).encode())
        if i % 2:
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(data))
                data[at:at + rng.randrange(0, 3)] = rng.choice(tokens)
        else:
            data = bytearray(damage(data, i // 2))
        begin = time.monotonic()
        a = d.request("POST", "/v1/models/tiny/explain", bytes(data), {"Content-Type": "application/json"})
        count.see("json %d: %d %s" % (i, a.status, a.body[:80]), is_fine(a), time.monotonic() - begin)


def raw_requests(d, count, n):
    picture = daemon.picture(1, 8, 8)
    form = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\nContent-Type: image/png\r\n\r\n' + picture + b'\r\n--b\r\nContent-Disposition: form-data; name="why_not"\r\n\r\n3\r\n--b--\r\n'
    seeds = [b"POST /v1/models/tiny/explain?why_not=auto:1&target=%32 HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: " + b"%d" % len(picture) + b"\r\n\r\n" + picture,
             b"POST /v1/explain?model=tiny HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: " + b"%d" % len(form) + b"\r\n\r\n" + form,
             b"POST /v1/models/tiny/explain HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(picture) + picture + b"\r\n0\r\n\r\n",
             b"GET /v1/models/tiny/labels?q=turn&limit=3 HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nAccept: */*\r\nX-Request-Id: a.b-c\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"]
    pieces = [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"%00", b"%zz", b"..", b"//", b"HTTP/1.1", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n ", b"Host: x\r\n", b"\xff", b"&", b"=",
              b"99999999999999999999", b"-1", b";"]
    for i in cases("raw", n):
        seed = bytearray(seeds[i % len(seeds)])
        head = seed.index(b"\r\n\r\n")
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(head if rng.random() < 0.8 else len(seed))
            seed[at:at + rng.randrange(0, 4)] = rng.choice(pieces)
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", d.port), 10) as s:
            s.sendall(bytes(seed))
            s.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while more := s.recv(65536):
                    answer += more
            except OSError:
                pass
        heads, ok, seen = re.findall(rb"^HTTP/1\.1 (\d+)(.*?)\r\n\r\n", answer, re.M | re.S), True, []
        for status, rest in heads:
            ours = b"problem+json" in rest
            if not ours and status[:1] != b"2":
                why = "behind" if seen else "strict" if daemon.library_is_strict() and status in (b"400", b"413", b"431", b"505") else reason(bytes(seed), int(status))
                ok &= bool(why)
                count.library[why] = count.library.get(why, 0) + 1
            elif ours:
                seen.append(status)
            ok &= status[:1] == b"2" or (ours and status[:1] == b"4") or not ours
        count.see("raw %d: %s %s" % (i, [h[0] for h in heads], bytes(seed)[:200]), ok, time.monotonic() - begin)


def networks(d, count, n):
    path = os.path.join(folder.name, "tiny", "model.onnx")
    good = open(path, "rb").read()
    seeds = [good, tiny_onnx.classifier(16, 8, 12, 2)]
    for i in cases("onnx", n):
        with open(path + ".new", "wb") as f:
            f.write(damage(seeds[i % 2], i))
        os.rename(path + ".new", path)
        begin = time.monotonic()
        a = d.request("POST", "/v2/repository/models/tiny/load", "{}", {"Content-Type": "application/json"})
        ok = is_fine(a) or (a.status == 501 and a.headers["Content-Type"] == "application/problem+json")  # 501: an operator that is not there
        count.see("onnx %d: %d %s" % (i, a.status, a.body[:120]), ok, time.monotonic() - begin)
    with open(path, "wb") as f:
        f.write(good)
    d.request("POST", "/v2/repository/models/tiny/load", "{}", {"Content-Type": "application/json"})


with daemon.Daemon(folder.name, "--model-control", "--workers", "1") as d:
    for name, run, n in (("PNG", lambda c, n: pictures(d, c, ".png", n), 400), ("JPEG", lambda c, n: pictures(d, c, ".jpg", n), 400), ("JSON", lambda c, n: bodies(d, c, n), 400),
                         ("HTTP", lambda c, n: raw_requests(d, c, n), 300), ("ONNX", lambda c, n: networks(d, c, n), 500)):
        count = Count()
        run(count, n)
        note = "%d cases of %s, slowest %.2f s%s; %s" % (count.n, name, count.slowest, ", the library's own answers: %s" % count.library if count.library else "", "; ".join(count.bad[:3]))
        figure("G1", len(count.bad), 0, not count.bad and d.process.poll() is None, note)
    begin = time.monotonic()
    after = d.explain(daemon.picture(1)).status
    clock("G1-after", time.monotonic() - begin, 1 if is_sanitized() else 0.05, after == 200, "seconds until the next good question was answered: %d" % after)
finish()
