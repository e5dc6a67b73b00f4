#!/usr/bin/env python3
"""G14: every route with no key, a wrong one, the right one, one of another scope, two, a very long one; no token in log, metrics or answers; and how
long it takes to refuse a token that shares more or less with a right one."""
import json
import os
import subprocess
import tempfile

from gate import FULL, ROOT, daemon, figure, finish, latency

KEY_TIMES = os.environ.get("WHYNOT_KEY_TIMES", os.path.join(ROOT, "build", "tests", "gates", "key_times"))

SHORT, FULL_KEY = "read-0123456789abcdef0123456789abcdef", "full-0123456789abcdef0123456789abcdef"
folder = tempfile.TemporaryDirectory()
models = os.path.join(folder.name, "models")
os.mkdir(models)
daemon.tiny_models(models)
file = os.path.join(folder.name, "keys")
with open(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write("reader - %s\nall predict,explain,admin %s\n" % (SHORT, FULL_KEY))
picture, seen = daemon.picture(1, 8, 8), b""


def status(d, method, path, values):
    """The status for these Authorization lines."""
    global seen
    lines = b"".join(b"Authorization: " + v.encode() + b"\r\n" for v in values)
    body = picture if method in ("POST", "PUT") else b""
    head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % (method.encode(), path.encode())
    a = d.raw(head + lines + (b"Content-Length: %d\r\n\r\n" % len(body) if body else b"\r\n") + body)
    seen += a
    code = int(a[9:12])
    return code if code != 401 or b"WWW-Authenticate: Bearer" in a else -1


with daemon.Daemon(models, "--keys", file, "--workers", "1") as d:
    api = json.loads(d.request("GET", "/openapi.json", headers={"Authorization": "Bearer " + SHORT}).body)
    bad, n = [], 0
    for path, methods in api["paths"].items():
        plain = path.replace("{model}", "tiny").replace("{version}", "1").replace("{file}", "none")
        for method, row in methods.items():
            scopes = row["security"][0]["key"] if row["security"] else None
            wanted = {(): 401, ("Bearer wrong-0123456789abcdef",): 401, ("Bearer " + FULL_KEY, "Bearer " + FULL_KEY): 400, ("bearer " + FULL_KEY,): 401, ("Bearer " + "a" * 8192,): 401,
                      ("Bearer " + SHORT,): 403 if scopes else None, ("Bearer " + FULL_KEY,): None}
            for values, want in wanted.items():
                got = status(d, method.upper(), plain, values)
                n += 1
                if scopes is None and want != 400:
                    want = None
                if (want and got != want) or (want is None and got in (401, 403, -1) and not (got == 403 and "admin" in (scopes or []))):
                    bad.append("%s %s %s: %d, not %s" % (method, plain, [v[:12] for v in values], got, want))
    figure("G14", len(bad), 0, not bad, "%d requests to every route; %s" % (n, "; ".join(bad[:4])))
    metrics = d.request("GET", "/metrics", headers={"Authorization": "Bearer " + SHORT}).body
    leaks = sum(token.encode() in place for token in (SHORT, FULL_KEY) for place in (d.errors().encode(), metrics, seen))
    figure("G14", leaks, 0, not leaks, "tokens found in the log, the metrics or the answers")

# A million in-process questions, about tokens that share nothing and all but the last letter with a right one; the second figure shows that the measure sees.
done = subprocess.run([KEY_TIMES, "1000000" if FULL else "100000"], stdout=subprocess.PIPE, check=True)
times = json.loads(done.stdout)
latency("G14", abs(times["t"]), 4.5, abs(times["t"]) < 4.5, 0, "|t| of Welch's test over %d refusals" % times["n"])
figure("G14", abs(times["t_of_what_stops"]), "> 4.5", abs(times["t_of_what_stops"]) > 4.5, "|t| of a comparison that stops at the first difference")
finish()
