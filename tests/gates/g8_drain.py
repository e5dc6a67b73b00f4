#!/usr/bin/env python3
"""G8, G13: the end of a process under load. Rolling restarts lose nothing; a second signal ends it within a second; a supervisor's worker that is killed
is answering again soon, and its port is never closed. --full: 16 clients and 5 restarts; else 8 and 2."""
import http.client
import os
import signal
import socket
import tempfile
import threading
import time

from gate import FULL, clock, daemon, figure, finish

CLIENTS, RESTARTS = (16, 5) if FULL else (8, 2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Load:
    def __init__(self, port, keep, clients=CLIENTS):
        self.port, self.keep, self.stop = port, keep, threading.Event()
        self.ok, self.lost, self.refused = 0, [], 0
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]

    def client(self, i):
        c, picture = None, daemon.picture(i % 5)
        while not self.stop.is_set():
            try:
                c = c or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                c.request("POST", "/v1/models/tiny/explain", picture, {"Content-Type": "image/png"})
                r = c.getresponse()
                r.read()
                self.ok += r.status == 200
                if r.status != 200:
                    self.lost.append(r.status)
                if not self.keep or r.getheader("Connection") == "close":
                    c.close()
                    c = None
            except ConnectionRefusedError:  # the server is down and says so: nothing was taken in
                self.refused += 1
                c = None
                time.sleep(0.01)
            except Exception as e:
                self.lost.append(repr(e))
                c = None

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()


def rolling(models, keep):
    port = free_port()
    options = ["--port", str(port), "--reuse-port", "--drain-ms", "200", "--access-log=false"]
    now, codes = daemon.Daemon(models, *options), []
    with Load(port, keep) as load:
        for _ in range(RESTARTS):
            time.sleep(0.5)
            after = daemon.Daemon(models, *options)
            codes.append(now.stop())
            now.log.close()
            now = after
        time.sleep(0.5)
    codes.append(now.stop())
    now.log.close()
    figure("G8 rolling restarts, %s: lost" % ("keep-alive" if keep else "a connection each"), len(load.lost) + load.refused, 0,
           not load.lost and not load.refused and load.ok > (3000 if FULL else 300) and set(codes) == {0}, "%d answered in %d restarts; %s" % (load.ok, RESTARTS, load.lost[:3]))


def plain_stop(models, keep):
    d = daemon.Daemon(models, "--drain-ms", "200", "--access-log=false")
    with Load(d.port, keep) as load:
        time.sleep(0.7)
        code = d.stop()
    d.log.close()
    figure("G8 plain stop, %s: lost" % ("keep-alive" if keep else "a connection each"), len(load.lost), 0, not load.lost and code == 0,
           "%d answered; afterwards %d connections were refused, because nobody listens" % (load.ok, load.refused))


def second_signal(models):
    d = daemon.Daemon(models, "--backend", "ref", "--workers", "1", "--shutdown-timeout-ms", "300000", "--request-timeout-ms", "300000", "--max-queue-wait-ms", "0", "--access-log=false", "--max-queue-size", "500")
    body, statuses = {"instances": [{"image": {"b64": daemon.b64(daemon.picture(i, 64, 64))}} for i in range(60)]}, []

    def ask():
        statuses.append(d.ask(body, "/v1/models/slow/explain").status)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    daemon.wait_until(lambda: d.metric("whynot_queue_depth") > 180)  # all four
    d.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    begin = time.monotonic()
    code = d.stop()
    took = time.monotonic() - begin
    for t in threads:
        t.join()
    d.log.close()
    clock("G8 second SIGTERM: seconds to the end", took, 1, code == 0 and statuses == [503] * 4, "exit %d, answers %s" % (code, statuses))


def supervised(models):
    with daemon.Daemon(models, "--supervise", "--restart-limit", "0", "--drain-ms", "50", "--access-log=false") as d:
        times, refused = [], 0
        for _ in range(5 if FULL else 2):
            children = "/proc/%d/task/%d/children" % (d.process.pid, d.process.pid)
            with open(children) as f:
                os.kill(int(f.read().split()[0]), signal.SIGKILL)
            begin = time.monotonic()
            while True:
                try:
                    if d.explain(daemon.picture(1)).status == 200:
                        break
                except ConnectionRefusedError:
                    refused += 1
                except (OSError, http.client.HTTPException):
                    pass
                time.sleep(0.005)
            times.append(time.monotonic() - begin)
        clock("G13 supervisor: seconds from SIGKILL to an answer", max(times), 5, True, "of %d" % len(times))
        figure("G13 supervisor: connections refused meanwhile", refused, 0, refused == 0)


def main():
    with tempfile.TemporaryDirectory() as models:
        daemon.tiny_models(models)
        rolling(models, True)
        rolling(models, False)
        plain_stop(models, True)
        plain_stop(models, False)
        supervised(models)
    with tempfile.TemporaryDirectory() as models:
        daemon.slow_model(models, 64, 4)
        second_signal(models)
    finish()


main()
