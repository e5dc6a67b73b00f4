"""What racecheck is given on a card (tests/gpu/run --sanitized) launches every kernel whose threads share memory, and knows the name of every kernel: the same
programs on the emulation, which notes what is launched. test_raced.py FOLDER, that of the emulated programs."""
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

FOLDER = os.path.abspath(sys.argv.pop())
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "tests", "gpu", "run")


def sources():
    for path in glob.glob(os.path.join(ROOT, "kernels", "cuda", "*.cu")):
        with open(path) as f:
            yield path, f.read()


def sharing():
    """The kernels in which WN_SHARED stands."""
    found = set()
    for path, text in sources():
        parts = re.split(r"__global__[^;{]*?\b(\w+_kernel)\(", text)
        found |= {name for name, body in zip(parts[1::2], parts[2::2]) if "WN_SHARED(" in body}
    return found


class Raced(unittest.TestCase):
    def test_every_kernel_whose_threads_share_memory_is_launched(self):
        missing = sharing()
        self.assertGreater(len(missing), 5)
        commands = subprocess.run([SCRIPT, "--sanitized", "racecheck"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        self.assertGreater(len(commands), 3)
        for line in commands:
            label, program, *arguments = shlex.split(line)
            if not missing:
                break  # the rest takes time only
            with tempfile.TemporaryDirectory() as folder:
                names = os.path.join(folder, "kernels")
                emulated = os.path.join(FOLDER, "emulated_" + os.path.basename(program))
                done = subprocess.run([emulated, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      env=dict(os.environ, WHYNOT_APART="1", WHYNOT_PLAIN="1", WN_EMULATED_KERNELS=names))
                self.assertEqual(done.returncode, 0, done.stdout[-3000:])
                with open(names) as f:
                    missing -= set(re.findall(r"\w+_kernel", f.read()))
        self.assertEqual(missing, set())

    def test_the_scripts_list_of_names_has_every_kernel(self):
        with open(SCRIPT) as f:
            self.assertIn(r"__global__.* ([a-z0-9_]+_kernel)\(", f.read())
        for path, text in sources():
            kernels = [line for line in text.splitlines() if "__global__" in line]
            self.assertEqual([line for line in kernels if not re.match(r".*__global__.* ([a-z0-9_]+_kernel)\(", line)], [], path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
