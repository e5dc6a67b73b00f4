"""Runs the command line, on pipes or on a terminal; and the daemon's own test helpers."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.environ.get("WHYNOT_ROOT", os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
import daemon  # noqa: E402,F401


class Result:
    def __init__(self, code, out, err):
        self.code, self.bytes, self.err = code, out, err

    @property
    def out(self):
        return self.bytes.decode()


def clean_environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WHYNOT_") and k not in ("NO_COLOR", "COLORTERM", "KITTY_WINDOW_ID", "TERM_PROGRAM", "TMUX")}
    env.update({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
    env.update(extra or {})
    return env


def whynot(*words, stdin=b"", env=None, cwd=None):
    done = subprocess.run([os.environ["WHYNOT"], *words], input=stdin, capture_output=True, env=clean_environment(env), cwd=cwd, timeout=120)
    err = done.stderr.decode()
    assert "Sanitizer" not in err and "runtime error" not in err, err[-4000:]
    return Result(done.returncode, done.stdout, err)


def lines_of(file):
    try:
        with open(file, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


def kill_where_it_waits(words, picture, file, before):
    """Kills the job while it waits for `picture`, which is a pipe until then, and which the words name (in a folder a pipe is passed over); `before` pictures have a line in file."""
    os.rename(picture, picture + ".away")
    os.mkfifo(picture)
    child = subprocess.Popen([os.environ["WHYNOT"], *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
    try:
        daemon.wait_until(lambda: lines_of(file) >= before or child.poll() is not None, 60)
    finally:
        child.kill()
        code = child.wait()
        os.replace(picture + ".away", picture)
    assert (code, lines_of(file)) == (-signal.SIGKILL, before), (code, lines_of(file))


def on_terminal(*words, env=None, cwd=None, answer=b"\x1b[?6c", size=(40, 100), typed=b""):
    """Both outputs on a pseudo terminal that answers "what are you" like a plain one."""
    pid, fd = pty.fork()
    if pid == 0:
        if cwd:
            os.chdir(cwd)
        os.execve(os.environ["WHYNOT"], [os.environ["WHYNOT"], *words], clean_environment(env))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))
    os.write(fd, typed)
    out, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
        if b"\x1b[c" in chunk:
            os.write(fd, answer)
    os.close(fd)
    return Result(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out, "")
