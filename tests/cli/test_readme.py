"""The commands in the README and its neighbours are copied and run as they stand there: in bash, stopping at the first failure, or in Python with the
package, from a folder that looks like the repository, against a daemon whose port takes the place of 8420. A block that cannot run says why in a
comment above it."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from command import ROOT, clean_environment, daemon

PAGES = ["README.md", "CONTRIBUTING.md", "models/signs/README.md"] + sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True))
LANGUAGES = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
NOT_RUN = re.compile(r"<!-- not run by the tests: \S.* -->")


def blocks(page):
    """(line, language, text, the reason not to run it or None) of every fenced block."""
    with open(os.path.join(ROOT, page)) as f:
        lines = f.read().splitlines()
    found, begin = [], None
    for i, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begin is None:
            begin = i
        else:
            reason = lines[begin - 1] if begin and NOT_RUN.fullmatch(lines[begin - 1]) else None
            found.append((begin + 1, lines[begin][3:].strip(), "\n".join(lines[begin + 1:i]) + "\n", reason))
            begin = None
    assert begin is None, "%s: the block of line %d is not closed" % (page, begin)
    return found


class Readme(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        for name in os.listdir(ROOT):
            if not name.startswith("build") and name != ".git":
                os.symlink(os.path.join(ROOT, name), os.path.join(self.folder, name))
        os.symlink(os.environ["WHYNOT_BUILD"], os.path.join(self.folder, "build"))
        shutil.copy(os.path.join(ROOT, "models", "signs-resnet", "samples", "no-right-turn-1.png"), os.path.join(self.folder, "photo.jpg"))
        photos = os.path.join(self.folder, "photos", "no left turn")
        os.makedirs(photos)
        shutil.copy(os.path.join(self.folder, "photo.jpg"), os.path.join(photos, "photo.jpg"))
        shims = os.path.join(self.folder, ".shims")
        os.mkdir(shims)
        with open(os.path.join(shims, "curl"), "w") as f:  # an answer of 4xx is a failure, too
            f.write('#!/bin/sh\nexec %s -sS --fail-with-body "$@"\n' % shutil.which("curl"))
        os.chmod(os.path.join(shims, "curl"), 0o755)
        self.env = clean_environment({"PATH": shims + ":" + os.environ["PATH"], "WHYNOT_MAX_CONNECTIONS": "64",
                                      "PYTHONPATH": os.path.join(ROOT, "clients", "python")})

    def tearDown(self):
        self.temporary.cleanup()

    def run_block(self, text, port, language="sh"):
        script = text.replace("127.0.0.1:8420", "127.0.0.1:%d" % port)
        return subprocess.run([*LANGUAGES[language], script], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=200,
                              stdin=subprocess.DEVNULL, errors="replace")

    def test_every_block_runs_or_says_why_not(self):
        ran = 0
        with daemon.Daemon(os.path.join(ROOT, "models"), "--access-log=false") as d:
            for page in PAGES:
                for line, language, text, reason in blocks(page):
                    with self.subTest("%s:%d" % (page, line)):
                        self.assertIn(language, ("sh", "text", "c", "json", "python", "ini"), "say what the block is: ```sh and ```python are run, ```text is not")
                        if language not in LANGUAGES or reason:
                            continue
                        if "cmake --install" in text and os.environ.get("WHYNOT_SANITIZED"):
                            continue  # a sanitized library needs sanitized users
                        done = self.run_block(text, d.port, language)
                        self.assertEqual(done.returncode, 0, (done.stdout[-1500:] + done.stderr[-1500:]))
                        ran += 1
        self.assertGreaterEqual(ran, 40)

    def test_the_tour_has_twenty_lines(self):
        tour = [text for _, _, text, _ in blocks("README.md") if "whynot doctor" in text]
        self.assertEqual(len(tour), 1)
        self.assertEqual(tour[0].count("\n"), 20)

    def test_a_command_that_fails_would_be_noticed(self):
        with daemon.Daemon(os.path.join(ROOT, "models"), "--access-log=false") as d:
            for text in ("false\n", "curl http://127.0.0.1:8420/v1/no-such-path\n", "whynot explain no-such-picture.png | cat\ntrue\n"):
                self.assertNotEqual(self.run_block(text, d.port).returncode, 0, text)


if __name__ == "__main__":
    unittest.main()
