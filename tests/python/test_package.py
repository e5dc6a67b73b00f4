"""What is shipped: types that hold, a wheel that imports, a notebook and a README whose code runs."""
import ast
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = os.environ.get("WHYNOT_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HERE = os.path.join(ROOT, "clients", "python")
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "http")]
import daemon  # noqa: E402


def run_cell(source, names):
    """As a notebook does: the value of the last expression, or None."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def builder():
    """A Python that can build wheels without a network."""
    for python in (sys.executable, "/usr/bin/python3"):
        if shutil.which(python) and subprocess.run([python, "-c", "import setuptools, wheel, pip"], capture_output=True).returncode == 0:
            return python
    return None


class Package(unittest.TestCase):
    def test_types_hold(self):
        mypy = shutil.which("mypy")
        if not mypy:
            self.skipTest("mypy is not there: deploy/install-packages tests")
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run([mypy, "--cache-dir", cache], cwd=HERE, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_wheel_builds_and_imports(self):
        python = builder()
        if not python:
            self.skipTest("pip, setuptools or wheel is not there: deploy/install-packages tests")
        with tempfile.TemporaryDirectory() as out:
            source = os.path.join(out, "source")
            shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".mypy_cache"))
            done = subprocess.run([python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", out, source],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            wheel, = glob.glob(os.path.join(out, "*.whl"))
            self.assertRegex(os.path.basename(wheel), r"^whynot-[\d.]+-py3-none-any\.whl$")
            with zipfile.ZipFile(wheel) as z:
                inside = {n for n in z.namelist() if n.startswith("whynot/")}
            self.assertEqual(inside, {"whynot/" + n for n in os.listdir(os.path.join(HERE, "whynot")) if n.endswith((".py", ".typed"))})
            done = subprocess.run([python, "-c", "import whynot; print(whynot.__version__, whynot.__file__)"], cwd=out, capture_output=True, text=True,
                                  env=dict(os.environ, PYTHONPATH=wheel))
            self.assertIn(os.path.basename(wheel), done.stdout, done.stderr)
            self.assertEqual(os.path.basename(wheel).split("-")[1], done.stdout.split()[0])

    def test_the_notebook_runs_and_draws_the_gallery(self):
        with open(os.path.join(HERE, "examples", "gallery.ipynb")) as f:
            notebook = json.load(f)
        self.assertEqual((notebook["nbformat"], [c["outputs"] for c in notebook["cells"] if c["cell_type"] == "code"]), (4, [[]] * 5))
        names, shown = {}, []
        with daemon.Daemon(os.path.join(ROOT, "models")) as d:
            os.environ["WHYNOT_SERVER"] = "http://127.0.0.1:%d" % d.port
            for cell in notebook["cells"]:
                if cell["cell_type"] == "code":
                    shown.append(run_cell("".join(cell["source"]), names))
        self.assertIn("signs-resnet", [name for name, _ in shown[0]])
        self.assertEqual(shown[1].target.label, "no right turn")
        self.assertEqual(len(shown[3].answers), len(names["samples"]))
        self.assertEqual(shown[3]._repr_html_().count("<img"), 4 * len(names["samples"]))
        self.assertEqual(len({a.maps[0].method for a in shown[4].answers}), 4)
        self.assertNotRegex(shown[3].page(), r'(src|href)="(?!data:image/)')
        if os.environ.get("WHYNOT_KEEP"):
            with open(os.environ["WHYNOT_KEEP"], "w") as out:
                out.write(shown[3].page())

    def test_the_readme_runs(self):
        with open(os.path.join(HERE, "README.md")) as f:
            blocks = re.findall(r"```python\n(.*?)```", f.read(), re.S)
        self.assertEqual(len(blocks), 3)
        with daemon.Daemon(os.path.join(ROOT, "models")) as d:
            text = "\n".join(blocks).replace("127.0.0.1:8420", "127.0.0.1:%d" % d.port)
            done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=HERE))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.split("\n")
        self.assertTrue(lines[0].startswith("no right turn 0.9") or lines[0].startswith("no right turn 1"), lines[0])
        self.assertEqual(lines[-2], str(len(glob.glob(os.path.join(ROOT, "models", "signs-resnet", "samples", "*.png")))))


if __name__ == "__main__":
    unittest.main()
