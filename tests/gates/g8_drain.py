#!/usr/bin/env python3
"""G8, G13: the end of a process under load. Rolling restarts lose nothing; a second signal ends it within a second; a supervisor's worker that is killed
is answering again soon, and its port is never closed. --full: 16 clients and 5 restarts; else 8 and 2."""
import http.client
import os
import signal
import tempfile
import threading
import time

from gate import FULL, Askers, clock, daemon, figure, finish, free_port

CLIENTS, RESTARTS = (16, 5) if FULL else (8, 2)


def load_of(port, keep):
    return Askers(port, lambda i: daemon.picture(i % 5), CLIENTS, keep)


def rolling(models, keep):
    port = free_port()
    options = ["--port", str(port), "--reuse-port", "--drain-ms", "200", "--access-log=false"]
    now, codes = daemon.Daemon(models, *options), []
    with load_of(port, keep) as load:
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
    with load_of(d.port, keep) as load:
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
