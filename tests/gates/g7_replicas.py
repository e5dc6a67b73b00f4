#!/usr/bin/env python3
"""G7: replicas behind HAProxy with the configuration of deploy/, one of them killed with SIGKILL again and again under load: no client loses an
answer. --full: 16 clients, 60 KB and 600 KB bodies, 6 kills in 8 s each, and restarts; else 8 clients, 2 kills."""
import os
import shutil
import subprocess
import tempfile
import time

from gate import FULL, ROOT, Askers, clock, daemon, figure, finish, free_port, skip

CLIENTS, KILLS, EACH_S = (16, 6, 1.3) if FULL else (8, 2, 1.0)
if not shutil.which("haproxy"):
    skip("haproxy is not installed")


class Replica:
    """Started again when it is gone, as its unit would."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.start()

    def start(self):
        self.d = daemon.Daemon(self.folder, "--port", str(self.port), "--workers", "1", "--access-log=false", "--drain-ms", "1000")

    def kill(self):
        self.d.process.kill()
        self.d.process.wait()
        self.d.process.stdout.close()
        self.d.log.close()
        self.start()

    def restart(self):
        assert self.d.stop() == 0
        self.d.log.close()
        self.start()


def configure(folder, front, replicas):
    with open(os.path.join(ROOT, "deploy", "haproxy", "haproxy.cfg")) as f:
        text = f.read()
    for old, new in ((":8420", front), (":8421", replicas[0].port), (":8422", replicas[1].port)):
        assert text.count(old) == 1
        text = text.replace(old, ":%d" % new)
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w") as f:
        f.write(text)
    return path


def main():
    base = tempfile.TemporaryDirectory()
    models = os.path.join(base.name, "models")
    os.mkdir(models)
    daemon.tiny_models(models)
    replicas = [Replica(models, free_port()), Replica(models, free_port())]
    front = free_port()
    proxy = subprocess.Popen(["haproxy", "-db", "-f", configure(base.name, front, replicas)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)  # two checks of each
        for size in (60000, 600000):
            body = daemon.picture(3) + bytes(size)  # what stands behind a picture's end is not looked at
            for how in ("kill", "restart") if FULL else ("kill",):
                with Askers(front, lambda i: body, CLIENTS, query="?outputs=raw") as load:
                    for i in range(KILLS if how == "kill" else 2):
                        time.sleep(EACH_S)
                        getattr(replicas[i % 2], how)()
                    time.sleep(1)
                name = "SIGKILL" if how == "kill" else "SIGTERM"
                figure("G7 %s, %d KB bodies: answers lost" % (name, size // 1000), len(load.lost) + load.refused, 0, not load.lost and not load.refused and load.ok > 100,
                       "%d answered; %s" % (load.ok, load.lost[:3]))
                clock("G7 %s, %d KB bodies: slowest answer" % (name, size // 1000), max(load.times), 3.5)
    finally:
        proxy.terminate()
        proxy.wait()
        for r in replicas:
            r.d.stop()
            r.d.log.close()
    base.cleanup()
    finish()


main()
