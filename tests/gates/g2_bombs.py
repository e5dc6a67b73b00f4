#!/usr/bin/env python3
"""G2, G3: pictures, JSON and chunks that are small and would be costly. Processor time of the daemon, and how far its memory rises."""
import struct
import tempfile
import time
import zlib

from gate import FULL, clock, cpu_seconds_exactly, daemon, figure, finish, is_sanitized, status_kb

SLACK = 6 if is_sanitized() else 1
CPU_SLACK = SLACK if FULL else 3 * SLACK  # processors that others heat and share are slower; unprotected each of these takes 36 s and more
chunk, png = daemon.png_chunk, daemon.png_file
MAGIC = b"\x89PNG\r\n\x1a\n"


def jpeg(width, height, progressive, scans=1):
    """A header of that size; scans that say nothing."""
    quant = b"\xff\xdb\x00\x43\x00" + bytes([1] * 64)
    frame = struct.pack(">BBHBHHB", 0xff, 0xc2 if progressive else 0xc0, 11, 8, height, width, 1) + b"\x01\x11\x00"
    tables = b"\xff\xc4\x00\x14\x00\x01" + bytes(16) + b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + (b"\xe0" if progressive else b"\x00")
    first = b"\xff\xda\x00\x08\x01\x01\x00\x00" + (b"\x00" if progressive else b"\x3f") + b"\x00"
    blocks = (width + 7) // 8 * ((height + 7) // 8)
    data = bytes(blocks // 8 + 1) if scans > 1 else b""
    later = (b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + bytes(blocks // 16384 * 15 // 8 + 2)) * (scans - 1)
    return b"\xff\xd8" + quant + frame + tables + first + data + later + b"\xff\xd9"


def text_chunks(kind, n, size):
    body = zlib.compress(bytes(size), 9)
    one = chunk(b"zTXt", b"k\0\0" + body) if kind == "zTXt" else chunk(b"iTXt", b"k\0\1\0\0\0" + body) if kind == "iTXt" else chunk(b"iCCP", b"k\0\0" + body)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return MAGIC + head + one * n + chunk(b"IDAT", zlib.compress(bytes(25 * 8))) + chunk(b"IEND", b"")


def surplus():
    z = zlib.compressobj(9)
    data = z.compress(bytes(25 * 8)) + b"".join(z.compress(bytes(1 << 20)) for _ in range(1024)) + z.flush()
    return png(8, 8, data)


def apng():
    frames = b"".join(chunk(b"fcTL", struct.pack(">IIIIIHHBB", i, 8, 8, 0, 0, 1, 1, 0, 0)) + chunk(b"fdAT", struct.pack(">I", i) + bytes(40)) for i in range(20000))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"acTL", struct.pack(">II", 20000, 0))
    return MAGIC + head + chunk(b"IDAT", zlib.compress(bytes(25 * 8))) + frames + chunk(b"IEND", b"")


def gray(side, bits):
    row = side * bits // 8 + 1
    z = zlib.compressobj(9)
    data = b"".join(z.compress(bytes(row * 100)) for _ in range(side // 100)) + z.compress(bytes(row * (side % 100))) + z.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0))
    return MAGIC + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# name, file, what may be answered, seconds of processor time, MiB of memory
BOMBS = [
    ("progressive JPEG 65500 x 65500, a header", jpeg(65500, 65500, True), (413,), 0.05, 64),
    ("baseline JPEG 65500 x 65500, a header", jpeg(65500, 65500, False), (413,), 0.05, 64),
    ("PNG 1000000 x 1000000, a header", png(1000000, 1000000, b""), (413,), 0.05, 64),
    ("PNG 20000 x 20000 of 1 bit", gray(20000, 1), (413,), 0.05, 64),
    ("PNG with 1000 zTXt of 7.9 MB", text_chunks("zTXt", 1000, 7900000), (200, 413, 422), 0.05, 64),
    ("PNG with 1000 iTXt of 7.9 MB", text_chunks("iTXt", 1000, 7900000), (200, 413, 422), 0.05, 64),
    ("PNG with an iCCP of 100 MB", text_chunks("iCCP", 1, 100000000), (200, 413, 422), 0.05, 64),
    ("PNG 8 x 8 with 1 GB of surplus data", surplus(), (422,), 0.05, 64),
    ("PNG with 20000 frames of animation", apng(), (200, 422), 0.15, 64),
    ("progressive JPEG 8192 x 8192 of 10000 scans", jpeg(8192, 8192, True, 10000), (413,), 0.05, 64),
    ("progressive JPEG 4096 x 4096 of 5000 scans", jpeg(4096, 4096, True, 5000), (422,), 1.0, 64),
    ("progressive JPEG 4096 x 4096 of 99 scans", jpeg(4096, 4096, True, 99), (200, 422), 1.0, 64),
    ("gray PNG 6300 x 6300, the largest that is read", gray(6300, 8), (200,), 1.0, 200),
]
MEGA = 8 << 20
JSON = [
    ("8 MiB of empty lists", b"[" + b"[]," * (MEGA // 3) + b"[]]"),
    ("8 MiB of empty objects", b"[" + b"{}," * (MEGA // 3) + b"{}]"),
    ("a million deep", b"[" * 1000000),
    ("a million deep in objects", b'{"a":' * 1000000),
    ("a million keys", b"{" + b",".join(b'"%d":0' % i for i in range(1000000)) + b"}"),
    ("a million labels", b'{"why_not":[' + b'"a",' * 1000000 + b'"a"]}'),
    ("half a million numbers, short enough as text", b'{"why_not":[' + b"0," * 500000 + b"0]}"),
    ("one string of 8 MiB", b'{"id":"' + b"a" * MEGA + b'"}'),
    ("one number of 8 MiB", b'{"top_k":' + b"1" * MEGA + b"}"),
]


def measure(d, send):
    """(status, processor seconds, MiB that the memory rose by)."""
    with open("/proc/%d/clear_refs" % d.process.pid, "w") as f:
        f.write("5")  # VmHWM begins anew
    before, cpu = status_kb(d.process.pid, "VmRSS"), cpu_seconds_exactly(d.process.pid)
    status = send().status
    return status, cpu_seconds_exactly(d.process.pid) - cpu, (status_kb(d.process.pid, "VmHWM") - before) / 1024


def least(d, send):
    """The same of three tries, each figure its least: what else the processor's caches were used for meanwhile is not the daemon's."""
    tries = [measure(d, send) for _ in range(3)]
    return tries[0][0], min(cpu for _, cpu, _ in tries), min(rise for _, _, rise in tries)


def a_million_chunks(d):
    """Of one byte each, a hundred times in the full form: no memory stays."""
    request = b"POST /v1/models/tiny/explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000000 + b"0\r\n\r\n"
    repeats, answers = 100 if FULL else 5, set()
    for i in range(repeats + 2):
        answers.add(d.raw(request, timeout=60)[:12])
        if i == 1:
            before = status_kb(d.process.pid, "VmRSS")
    grown = status_kb(d.process.pid, "VmRSS") - before
    figure("G2", grown, 1024, answers == {b"HTTP/1.1 415"} and (grown <= 1024 or is_sanitized()), "KiB that memory grew by in %d requests of a million chunks: %s" % (repeats, answers))


with tempfile.TemporaryDirectory() as folder:
    with daemon.Daemon(daemon.tiny_models(folder), "--workers", "1", "--http-threads", "2") as d:
        d.explain(daemon.picture(1))
        for name, data, statuses, seconds, mib in BOMBS:
            status, cpu, rise = measure(d, lambda: d.explain(data, "?outputs=raw&size=input"))
            rise -= 2 * len(data) / 1048576  # the body itself
            ok = status in statuses and cpu <= seconds * CPU_SLACK + 0.02 and rise <= mib * SLACK
            figure("G2", round(cpu, 3), seconds, ok, "%s, %d KB: %d, +%d MiB" % (name, len(data) // 1024, status, max(rise, 0)))
        for name, body in JSON:
            status, cpu, rise = least(d, lambda: d.request("POST", "/v1/explain", body, {"Content-Type": "application/json"}))
            ok = status in (400, 413) and cpu <= 0.02 * CPU_SLACK and rise <= 2 * len(body) / 1048576 * SLACK
            figure("G3", round(cpu, 4), 0.02, ok, "%s, %d KB: %d, +%d MiB" % (name, len(body) // 1024, status, max(rise, 0)))
        a_million_chunks(d)
        begin = time.monotonic()
        assert d.get("/livez").status == 200
        clock("G2-after", time.monotonic() - begin, 0.05 * SLACK, True, "seconds until /livez answered afterwards")
finish()
