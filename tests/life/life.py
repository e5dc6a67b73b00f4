"""What the tests of the daemon's life share: a small model folder, an ear for its notices, sockets to be inherited, raw clients."""
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
os.environ.setdefault("WHYNOTD", os.path.join(ROOT, "build", "server", "whynotd"))
os.environ.setdefault("WHYNOTD_FAULTS", os.path.join(ROOT, "build", "tests", "life", "whynotd-faults"))
import daemon  # noqa: E402

FAULTY = os.environ["WHYNOTD_FAULTS"]
SLOW_SIZE, SLOW_LAYERS = 64, 4


def models(folder):
    daemon.tiny_models(folder)
    return daemon.slow_model(folder, SLOW_SIZE, SLOW_LAYERS)


class Folder(unittest.TestCase):
    """Tests of one folder of models, which fill() makes."""
    fill = staticmethod(models)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.fill(cls.folder.name)


def faulty(folder, *options, **more):
    """A daemon whose device fails as its environment says."""
    return daemon.Daemon(folder, "--backend", "faulty", "--workers", "1", *options, program=FAULTY, **more)


class Ear:
    """systemd's side of the notify protocol."""

    def __init__(self, abstract=False):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.path if abstract else self.path)
        self.environment = {"NOTIFY_SOCKET": ("@" if abstract else "") + self.path}
        self.heard = []

    def hear(self, word, seconds=20):
        """The lines of the first datagram that has a line which begins so."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                lines = self.socket.recv(4096).decode().splitlines()
            except socket.timeout:
                raise AssertionError("%r was not heard in %s s; heard: %s" % (word, seconds, self.heard))
            self.heard.append(lines)
            if any(line.startswith(word) for line in lines):
                return dict(line.split("=", 1) for line in lines)

    def count(self, word, seconds):
        n, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.hear(word, end - time.monotonic())
                n += 1
            except AssertionError:
                break
        return n

    def close(self):
        self.socket.close()
        self.folder.cleanup()


def listener(address=("127.0.0.1", 0), family=socket.AF_INET):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(64)
    return s


def inheriting(command, sockets, names="", environment=None):
    """Starts command as systemd does: sockets from descriptor 3 on, LISTEN_PID its own."""
    script = "import os,sys; os.environ['LISTEN_PID']=str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"
    env = dict(os.environ, LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names, **(environment or {}))
    high = [os.dup2(s.fileno(), 50 + i) for i, s in enumerate(sockets)]

    def place():
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
    log = tempfile.TemporaryFile()
    p = subprocess.Popen([sys.executable, "-c", script, *command], stdout=subprocess.PIPE, stderr=log, env=env,
                         preexec_fn=place, pass_fds=[3 + i for i in range(len(sockets))])
    for fd in high:
        os.close(fd)
    p.log = log
    return p


def said(process):
    return os.pread(process.log.fileno(), os.fstat(process.log.fileno()).st_size, 0).decode()


def end(process, want=0):
    if process.poll() is None:
        process.terminate()
    code = process.wait(30)
    process.stdout.close()
    text = said(process)
    process.log.close()
    assert code == want, (code, text)
    return text
