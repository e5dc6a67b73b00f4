"""The units as systemd itself runs them: a systemd of our own, first process of its own namespaces, knows nothing but them and stubs of what they are
ordered by. Runs when asked (WHYNOT_BOOT_SYSTEMD=1: nobody's tests start a system manager unasked), as root, where the machine's first process is no systemd
(a container), and where such a one can be started at all; else 77."""
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SYSTEMD = "/usr/lib/systemd/systemd"
TARGETS = "sysinit basic network shutdown default multi-user sockets rescue emergency umount final exit".split()
PORT = None

# In the new namespaces: nothing of the machine's /run and /var/lib is seen or touched.
BOOT = """set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
cp -r {tree}/run/. /run/
mkdir -p /run/lock /var/lib/whynot
cp -r {tree}/models /var/lib/whynot/models
chmod -R a+rX /run /var/lib/whynot
export SYSTEMD_UNIT_PATH=/run/units container=lxc
exec {systemd} --system --log-target=console --show-status=no --unit=default.target </dev/null
"""


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true in %d s: %s" % (seconds, what))


def control_groups():
    return {folder for folder, _, _ in os.walk("/sys/fs/cgroup")}


class Booted:
    """A systemd in namespaces of its own, until the end of the block."""

    def __init__(self, tree):
        self.before, self.log = control_groups(), open(os.path.join(tree, "systemd.log"), "w+")
        boot = os.path.join(tree, "boot")
        with open(boot, "w") as f:
            f.write(BOOT.format(tree=tree, systemd=SYSTEMD))
        self.parent = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "sh", boot], stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log, start_new_session=True)

    def first(self):
        """The process that is number 1 in there."""
        with open("/proc/%d/task/%d/children" % (self.parent.pid, self.parent.pid)) as f:
            return f.read().split()[:1]

    def run(self, *command):
        done = subprocess.run(["nsenter", "-t", self.first()[0], "-m", "-p", "-i", "-u", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        return done.returncode, done.stdout.decode(errors="replace")

    def show(self, name, unit="whynotd.service"):
        return self.run("systemctl", "show", "-p", name, "--value", unit)[1].strip()

    def is_up(self):
        return self.parent.poll() is None and self.first() and self.run("systemctl", "is-active", "default.target")[1].strip() == "active"

    def end(self):
        for pid in self.first() if self.parent.poll() is None else []:
            os.kill(int(pid), signal.SIGKILL)  # all others in there end with it
        self.parent.wait(30)
        for folder in sorted(control_groups() - self.before, key=len, reverse=True):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # somebody else's
        self.log.close()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def make_tree(tree):
    """What stands in /run there: the installed units with other paths and nothing else changed but the user, who is not made here, and the watchdog's time."""
    out = os.path.join(tree, "out")
    subprocess.run([os.environ["CMAKE"], "--install", os.environ["WHYNOT_BUILD"], "--prefix", "/usr"], env=dict(os.environ, DESTDIR=out), stdout=subprocess.DEVNULL, check=True)
    os.makedirs(os.path.join(tree, "run", "w"))
    shutil.copy(os.path.join(out, "usr/bin/whynotd"), os.path.join(tree, "run", "w", "whynotd"))
    with open(os.path.join(out, "etc/whynot/whynotd.json")) as f:
        write(os.path.join(tree, "run", "w", "whynotd.json"), f.read().replace('"port": 8420', '"port": %d' % PORT).replace('"drain_ms": 2000', '"drain_ms": 50'))
    shutil.copytree(os.path.join(out, "usr/share/whynot/models"), os.path.join(tree, "models"))
    units = os.path.join(tree, "run", "units")
    for name in TARGETS:
        write(os.path.join(units, name + ".target"), "[Unit]\nDefaultDependencies=no\n")
    for name in ("-.slice", "system.slice"):
        write(os.path.join(units, name), "[Unit]\nDefaultDependencies=no\n")
    with open(os.path.join(out, "usr/lib/systemd/system/whynotd.service")) as f:
        service = f.read()
    for old, new in (("/usr/bin/whynotd", "/run/w/whynotd"), ("/etc/whynot/", "/run/w/"), ("User=whynot", "User=nobody"), ("Group=whynot", "Group=nogroup"),
                     ("WatchdogSec=60s", "WatchdogSec=10s"), ("Type=notify", "StandardOutput=null\nStandardError=append:/run/w/log\nType=notify")):
        assert old in service, old
        service = service.replace(old, new)
    write(os.path.join(units, "whynotd.service"), service)
    with open(os.path.join(out, "usr/lib/systemd/system/whynotd.socket")) as f:
        write(os.path.join(units, "whynotd.socket"), f.read().replace("8420", str(PORT)))
    probe = service.replace("Type=notify", "Type=exec").replace("WatchdogSec=10s", "")  # can a unit with these limits be run here?
    write(os.path.join(units, "probe.service"), "\n".join("ExecStart=/bin/sleep 1000" if x.startswith("ExecStart=") else x for x in probe.splitlines()))


def get(path="/readyz"):
    try:
        c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        c.request("GET", path)
        status = c.getresponse().status
        c.close()
        return status
    except OSError:
        return 0


class Systemd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        make_tree(cls.folder.name)
        cls.s = Booted(cls.folder.name)
        cls.addClassCleanup(cls.s.end)
        try:
            wait_until(cls.s.is_up, "systemd is up", 20)
        except (AssertionError, OSError) as why:
            raise unittest.SkipTest("no systemd can be started here: %s" % why)
        code, text = cls.s.run("systemctl", "start", "probe.service")
        if code:
            raise unittest.SkipTest("units with these limits cannot be run here: " + text)
        cls.s.run("systemctl", "stop", "probe.service")

    def setUp(self):
        self.s.run("systemctl", "reset-failed")

    def tearDown(self):
        self.s.run("systemctl", "stop", "whynotd.socket", "whynotd.service")

    def start(self):
        code, text = self.s.run("systemctl", "start", "whynotd.service")
        self.assertEqual(code, 0, text + self.s.run("tail", "-5", "/run/w/log")[1])
        self.assertEqual((self.s.show("ActiveState"), self.s.show("StatusText")), ("active", "2 of 2 models answer on port %d" % PORT))
        return self.s.show("MainPID")

    def restarts(self):
        return int(self.s.show("NRestarts") or 0)

    def comes_back(self, after, old):
        wait_until(lambda: self.restarts() > after and self.s.show("ActiveState") == "active" and self.s.show("MainPID") != old and get() == 200, "it was started again")

    def test_a_start_waits_for_the_models_and_the_process_has_no_rights(self):
        pid = self.start()
        self.assertEqual(get(), 200)
        status = dict(x.split(":\t", 1) for x in self.s.run("cat", "/proc/%s/status" % pid)[1].splitlines() if ":\t" in x)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16), int(status["CapBnd"], 16)), ("1", "2", 0, 0))
        self.assertNotIn("0", status["Uid"].split())

    def test_reload_keeps_the_process_and_stop_ends_it_well(self):
        pid = self.start()
        code, text = self.s.run("systemctl", "reload", "whynotd.service")
        self.assertEqual((code, self.s.show("MainPID")), (0, pid), text)
        self.assertEqual(get(), 200)
        self.assertEqual(self.s.run("systemctl", "stop", "whynotd.service")[0], 0)
        self.assertEqual((self.s.show("ActiveState"), self.s.show("Result"), self.s.show("ExecMainStatus")), ("inactive", "success", "0"))

    def test_a_killed_daemon_is_started_again(self):
        pid, before = self.start(), self.restarts()
        self.s.run("kill", "-9", pid)
        self.comes_back(before, pid)

    def test_a_daemon_that_hangs_is_killed_by_the_watchdog_and_started_again(self):
        pid, before = self.start(), self.restarts()
        self.s.run("kill", "-STOP", pid)
        self.comes_back(before, pid)

    def test_a_wrong_option_is_not_tried_again(self):
        self.s.run("sh", "-c", "mkdir -p /run/units/whynotd.service.d; printf '[Service]\\nEnvironment=WHYNOT_PORT=none\\n' >/run/units/whynotd.service.d/wrong.conf; systemctl daemon-reload")
        try:
            code, _ = self.s.run("systemctl", "start", "whynotd.service")
            self.assertNotEqual(code, 0)
            wait_until(lambda: self.s.show("ActiveState") == "failed", "it failed")
            self.assertEqual((self.s.show("ExecMainStatus"), self.restarts()), ("2", 0))
        finally:
            self.s.run("sh", "-c", "rm -r /run/units/whynotd.service.d; systemctl daemon-reload; systemctl reset-failed")

    def test_a_first_connection_starts_it_through_the_socket(self):
        code, text = self.s.run("systemctl", "start", "whynotd.socket")
        self.assertEqual((code, self.s.show("ActiveState")), (0, "inactive"), text)
        self.assertEqual(get("/livez"), 200)  # the connection waits until there is somebody
        wait_until(lambda: self.s.show("ActiveState") == "active", "it is ready")
        self.s.run("systemctl", "stop", "whynotd.service")
        self.assertEqual(get("/livez"), 200)


def main():
    global PORT
    tools = [SYSTEMD] + [shutil.which(t) for t in ("unshare", "nsenter", "systemctl")]
    with open("/proc/1/comm") as f:
        first = f.read().strip()
    if not os.environ.get("WHYNOT_BOOT_SYSTEMD"):
        print("skipped: it boots a systemd as root; ask with WHYNOT_BOOT_SYSTEMD=1")
        return 77
    if os.geteuid() != 0 or first == "systemd" or not all(t and os.path.exists(t) for t in tools):
        print("skipped: not root, or no systemd is installed, or this machine has its own")
        return 77
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        PORT = s.getsockname()[1]
    result = unittest.main(exit=False, verbosity=2).result
    return 1 if not result.wasSuccessful() else 77 if result.skipped else 0


if __name__ == "__main__":
    sys.exit(main())
