#!/usr/bin/env python3
"""G15: what the units leave the daemon, as systemd rates it without running; and that it serves others as root only when told to."""
import os
import re
import shutil
import subprocess
import tempfile

from gate import ROOT, daemon, figure, finish, skip

if not shutil.which("systemd-analyze"):
    skip("systemd-analyze is not installed")


def rate(name, text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(text)
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout.decode())
    return float(found.group(1)) if found else 10.0


def unit(name):
    with open(os.path.join(ROOT, "deploy", "systemd", name + ".service.in")) as f:
        return f.read().replace("@BINDIR@", "/usr/bin").replace("@SYSCONFDIR@", "/etc")


for name, limit in (("whynotd", 1.5), ("whynotd-cuda", 2.0)):
    score = rate(name + ".service", unit(name))
    figure("G15 %s.service: exposure" % name, score, limit, score <= limit)
    figure("G15 %s.service: no capability" % name, 0, 0, "\nCapabilityBoundingSet=\n" in unit(name) and "\nUser=whynot\n" in unit(name))
bare = rate("bare.service", "[Service]\nExecStart=/usr/bin/whynotd\n")
figure("G15 a bare unit, to compare", bare, "> 9", bare > 9)
if os.geteuid() == 0:
    with tempfile.TemporaryDirectory() as models:
        daemon.tiny_models(models)
        d = daemon.Daemon(models, "--host", "0.0.0.0", "--insecure", wait=False)
        code = d.process.wait(30)
        figure("G15 root for others without --allow-root: exit code", code, 2, code == 2 and "--allow-root" in d.errors())
        d.process.stdout.close()
        d.log.close()
finish()
