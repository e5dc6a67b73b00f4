"""The processor's image as a container builder makes it: built, started as its own user, asked, stopped. Runs when asked (WHYNOT_BUILD_CONTAINER=1: it
takes minutes, a gigabyte and the network), as root, where buildah is installed, and debootstrap where Debian's own image cannot be pulled; else 77. The image
for GPUs stands on NVIDIA's, and is not built here."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE, USER = "docker.io/library/debian:12-slim", 10001


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def processes(words):
    """Those whose command line begins so: {pid: uid}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                argv = f.read().split(b"\0")
            if [a.decode(errors="replace") for a in argv[1:1 + len(words)]] == words and argv[0].endswith(b"/whynotd"):
                found[int(pid)] = os.stat("/proc/" + pid).st_uid
        except OSError:
            pass  # it ended meanwhile
    return found


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="whynot-container-", ignore_cleanup_errors=True)
        cls.addClassCleanup(cls.folder.cleanup)
        cls.storage = ["--storage-driver", "vfs", "--root", os.path.join(cls.folder.name, "root"), "--runroot", os.path.join(cls.folder.name, "run")]
        if cls.buildah("pull", BASE, ok=False) is None:
            cls.make_base()

    @classmethod
    def buildah(cls, command, *words, ok=True):
        done = subprocess.run(["buildah", *cls.storage, command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if ok and done.returncode:
            raise AssertionError("buildah %s: %s" % (command, done.stdout[-3000:]))
        return done.stdout.strip() if done.returncode == 0 else None

    @classmethod
    def make_base(cls):
        """Debian's image from Debian's packages, with the machine's own way to them."""
        system = os.path.join(cls.folder.name, "debian")
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", system], stdout=subprocess.DEVNULL, check=True)
        for name in os.listdir("/etc/apt/apt.conf.d"):
            if "docker" not in name:
                shutil.copy(os.path.join("/etc/apt/apt.conf.d", name), os.path.join(system, "etc/apt/apt.conf.d"))
        scratch = cls.buildah("from", "scratch").splitlines()[-1]
        cls.buildah("add", "--quiet", scratch, system, "/")
        cls.buildah("commit", "--quiet", "--rm", scratch, BASE)
        shutil.rmtree(system)

    def test_the_image_is_built_starts_as_its_own_user_answers_and_stops(self):
        source = os.path.join(self.folder.name, "source")
        subprocess.run(["git", "clone", "--quiet", ROOT, source], check=True)
        self.buildah("build", "--isolation", "chroot", "--format", "docker", "--pull-never", "-f", os.path.join(source, "deploy/container/Containerfile.cpu"), "-t", "whynot", source)
        inside = self.buildah("from", "--pull-never", "localhost/whynot").splitlines()[-1]
        config = json.loads(self.buildah("inspect", "--type", "image", "localhost/whynot"))["Docker"]["config"]
        self.assertTrue(config["Healthcheck"]["Test"])
        words, port = config["Entrypoint"][1:], free_port()
        with open(os.path.join(self.folder.name, "log"), "w+") as log:
            runner = subprocess.Popen(["buildah", *self.storage, "run", "--isolation", "chroot", "--user", config["User"], inside, "--", *config["Entrypoint"], "--port", str(port)],
                                      stdout=log, stderr=log)
            try:
                self.ask(inside, port, config)
                mine = processes([*words, "--port", str(port)])
                self.assertEqual(set(mine.values()), {USER})
                for pid in mine:
                    os.kill(pid, signal.SIGTERM)
                self.assertEqual(runner.wait(60), 0)
            finally:
                runner.kill()
                runner.wait()
                log.seek(0)
                print(log.read(), file=sys.stderr)

    def ask(self, inside, port, config):
        """As the image's health check asks; and one picture."""
        health = [*config["Healthcheck"]["Test"][1:-1], "http://127.0.0.1:%d" % port]
        end = time.monotonic() + 60
        while self.buildah("run", "--isolation", "chroot", inside, "--", *health, ok=False) is None:
            self.assertLess(time.monotonic(), end, "it never became healthy")
            time.sleep(0.5)
        with open(os.path.join(ROOT, "models/signs-resnet/samples/no-right-turn-1.png"), "rb") as f:
            asked = urllib.request.Request("http://127.0.0.1:%d/v1/models/signs-resnet/explain?why_not=auto" % port, f.read(), {"Content-Type": "image/png"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            shown = json.load(answer)["maps"][0]
        self.assertEqual(shown["kind"], "contrast")
        self.assertTrue(base64.b64decode(shown["data"]).startswith(b"\x89PNG"))


if __name__ == "__main__":
    if os.environ.get("WHYNOT_BUILD_CONTAINER") != "1" or os.geteuid() != 0 or not shutil.which("buildah"):
        print("skipped: WHYNOT_BUILD_CONTAINER=1 is not set, this is not root, or there is no buildah")
        sys.exit(77)
    unittest.main()
