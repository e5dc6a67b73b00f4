"""Installs into an empty folder (DESTDIR) and uses nothing but what lies there."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
import daemon  # noqa: E402
import tiny_onnx  # noqa: E402

SIZE = 16
EXAMPLE = os.path.join(ROOT, "docs", "examples", "explain.c")


def run(*command, env=None, cwd=None):
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **(env or {})), cwd=cwd, timeout=200)
    assert done.returncode == 0, "%s\n%s%s" % (" ".join(command), done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.dest = os.path.join(cls.temporary.name, "dest")
        run(os.environ["CMAKE"], "--install", os.environ["WHYNOT_BUILD"], "--prefix", "/usr", env={"DESTDIR": cls.dest})
        cls.usr = os.path.join(cls.dest, "usr")
        cls.lib = os.path.dirname(cls.find("libwhynot.so"))
        cls.work = os.path.join(cls.temporary.name, "work")
        os.mkdir(cls.work)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def find(cls, name):
        for folder, _, files in os.walk(cls.dest):
            if name in files:
                return os.path.join(folder, name)
        raise AssertionError(name + " was not installed")

    def flags(self, *what):
        env = {"PKG_CONFIG_PATH": os.path.join(self.lib, "pkgconfig"), "PKG_CONFIG_LIBDIR": "/nowhere"}
        return run("pkg-config", *what, "whynot", env=env).split()

    def model(self):
        """A model folder, a picture of the network's own size, and its floats."""
        folder = os.path.join(self.work, "models")
        if not os.path.isdir(folder):
            os.mkdir(folder)
            daemon.write_model(folder, "tiny", tiny_onnx.classifier(SIZE, seed=1), daemon.LABELS, SIZE)
        picture = daemon.picture(5, SIZE, SIZE)
        with open(os.path.join(self.work, "picture.png"), "wb") as f:
            f.write(picture)
        rows = daemon.read_png(picture)[3]
        pixel = [[[rows[y * (3 * SIZE + 1) + 1 + 3 * x + c] for x in range(SIZE)] for y in range(SIZE)] for c in range(3)]
        values = [(v / 255 - 0.5) / 0.25 for plane in pixel for row in plane for v in row]
        with open(os.path.join(self.work, "picture.f32"), "wb") as f:
            f.write(struct.pack("<%df" % len(values), *values))
        return os.path.join(folder, "tiny", "model.onnx")

    def check_example(self, program):
        model = self.model()
        out = run(program, model, os.path.join(self.work, "picture.f32"), env={"LD_LIBRARY_PATH": self.lib})
        first, *rows = out.splitlines()
        found = re.fullmatch(r"class (\d+) rather than (\d+), at (\S+), (\S+)", first)
        self.assertTrue(found, out)
        answer = json.loads(run(os.environ["WHYNOT"], "explain", os.path.join(self.work, "picture.png"), "--json", "--why-not", "auto:1", "-m",
                                os.path.dirname(model)))
        m = answer["maps"][0]
        self.assertEqual((int(found.group(1)), int(found.group(2)), found.group(3)), (m["class"]["index"], m["rival"]["index"], m["layer"]))
        self.assertAlmostEqual(float(found.group(4)), m["score"], delta=1e-5 * abs(m["score"]))
        self.assertEqual([len(r.split()) for r in rows], [SIZE] * SIZE)
        self.assertIn("9", out)

    # ---- the library ----

    def test_the_example_builds_with_pkg_config_and_says_what_the_command_line_says(self):
        program = os.path.join(self.work, "by-pkg-config")
        run(os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", EXAMPLE, *self.flags("--cflags", "--libs"), "-o", program)
        self.check_example(program)

    def test_the_example_has_forty_lines(self):
        with open(EXAMPLE) as f:
            code = f.read()
        self.assertLessEqual(code[code.index("int main"):].count("\n"), 40)

    def test_the_example_builds_with_the_cmake_package(self):
        source = os.path.join(self.work, "project")
        os.mkdir(source)
        shutil.copy(EXAMPLE, source)
        with open(os.path.join(source, "CMakeLists.txt"), "w") as f:
            f.write("cmake_minimum_required(VERSION 3.25)\nproject(user C)\nfind_package(whynot 0.1 REQUIRED CONFIG)\n"
                    "add_executable(explain explain.c)\ntarget_link_libraries(explain PRIVATE whynot::whynot)\n")
        build = os.path.join(self.work, "project-build")
        run(os.environ["CMAKE"], "-S", source, "-B", build, "-DCMAKE_PREFIX_PATH=" + self.usr)
        run(os.environ["CMAKE"], "--build", build)
        self.check_example(os.path.join(build, "explain"))

    def test_the_headers_are_good_c_plus_plus_too_and_each_stands_alone(self):
        headers = sorted(os.listdir(os.path.join(self.usr, "include", "whynot")))
        self.assertIn("whynot.h", headers)
        for header in headers:
            if header.endswith(".h"):
                unit = os.path.join(self.work, "unit.cpp")
                with open(unit, "w") as f:
                    f.write("#include <whynot/%s>\n" % header)
                run("g++", "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", *self.flags("--cflags"), unit)

    def test_the_symbols_are_those_of_the_list(self):
        """A symbol that goes away or changes its name breaks programs: then the list changes in the same commit, and the ABI with it."""
        lines = run("nm", "-D", "--defined-only", os.path.join(self.lib, "libwhynot.so")).splitlines()
        found = sorted(line.split()[-1] for line in lines)
        with open(os.path.join(HERE, "symbols.txt")) as f:
            listed = f.read().split()
        self.assertEqual(found, listed, "was it meant? Then run tests/install/update-symbols")

    def test_everything_that_the_headers_declare_is_in_the_library(self):
        declared = set()
        folder = os.path.join(self.usr, "include", "whynot")
        for header in os.listdir(folder):
            with open(os.path.join(folder, header)) as f:
                declared |= set(re.findall(r"WN_API[^;(]*?\b(wn_\w+)[\[(]", re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)))
        with open(os.path.join(HERE, "symbols.txt")) as f:
            self.assertEqual(sorted(declared), f.read().split())

    def test_the_library_has_a_versioned_name(self):
        out = run("readelf", "-d", os.path.join(self.lib, "libwhynot.so"))
        version = self.flags("--modversion")[0]
        self.assertIn("[libwhynot.so.%s]" % ".".join(version.split(".")[:2] if version.startswith("0.") else version.split(".")[:1]), out)

    # ---- the programs ----

    def test_the_programs_run_from_where_they_were_installed(self):
        for name in ("whynot", "whynotd"):
            out = run(os.path.join(self.usr, "bin", name), "--version")
            self.assertRegex(out, r"^%s \d" % name)
        models = os.path.join(self.usr, "share", "whynot", "models")
        picture = os.path.join(models, "signs-resnet", "samples", "no-right-turn-1.png")
        out = run(os.path.join(self.usr, "bin", "whynot"), "explain", picture, "--models", models, "-m", "signs-resnet", "--text", "-q", "no left turn")
        self.assertIn("why 'no right turn'", out)

    def test_every_command_has_a_manual_page(self):
        commands = [line.split()[0] for line in run(os.environ["WHYNOT"], "--help").split("\n\n")[2].splitlines()]
        pages = os.listdir(os.path.join(self.usr, "share", "man", "man1"))
        self.assertEqual(sorted(pages), sorted(["whynot.1"] + ["whynot-%s.1" % c for c in commands]))
        self.assertEqual(os.listdir(os.path.join(self.usr, "share", "man", "man8")), ["whynotd.8"])

    def test_the_manual_pages_render_without_a_warning(self):
        if not shutil.which("groff"):
            self.skipTest("no groff")
        for section in ("man1", "man8"):
            folder = os.path.join(self.usr, "share", "man", section)
            for page in os.listdir(folder):
                done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rF0", os.path.join(folder, page)], capture_output=True, text=True)
                self.assertEqual(done.stderr, "", page)
                self.assertIn("EXIT STATUS" if section == "man1" else "OPTIONS", re.sub(".\b|\x1b\\[[0-9;]*m", "", done.stdout))

    # ---- completions ----

    def complete(self, *words):
        """What bash offers for the last word."""
        script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _whynot; printf "%s\\n" "${COMPREPLY[@]}"')
        completions = os.path.join(self.usr, "share", "bash-completion", "completions", "whynot")
        env = {"PATH": os.path.join(self.usr, "bin") + ":" + os.environ["PATH"], "WHYNOT_MODELS": os.path.join(self.usr, "share", "whynot", "models")}
        return run("bash", "-c", script, "bash", completions, *words, env=env, cwd=HERE).split()

    def test_bash_completes_commands_options_values_and_files(self):
        self.assertEqual(self.complete("whynot", "expl"), ["explain"])
        self.assertIn("--why-not", self.complete("whynot", "explain", "--"))
        self.assertEqual(self.complete("whynot", "explain", "--res"), ["--resume"])
        self.assertEqual(self.complete("whynot", "explain", "--draw", "s"), ["sixel"])
        self.assertIn("hirescam", self.complete("whynot", "explain", "--method", ""))
        self.assertIn("finer", self.complete("whynot", "explain", "--contrast", "fi"))
        self.assertEqual(self.complete("whynot", "explain", "-m", "signs-r"), ["signs-resnet"])
        self.assertEqual(self.complete("whynot", "explain", "test_inst"), ["test_install.py"])
        self.assertEqual(self.complete("whynot", "labels", "--mod"), ["--model", "--models"])

    def test_the_completions_parse(self):
        run("bash", "-n", os.path.join(self.usr, "share", "bash-completion", "completions", "whynot"))
        if shutil.which("zsh"):
            run("zsh", "-n", os.path.join(self.usr, "share", "zsh", "site-functions", "_whynot"))


if __name__ == "__main__":
    unittest.main()
