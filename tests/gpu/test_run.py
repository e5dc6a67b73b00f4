"""tests/gpu/run as a program, on a machine that only says that it has a GPU: what a step that fails, hangs or is cut short leaves in the table."""
import os
import signal
import stat
import subprocess
import tarfile
import tempfile
import time
import unittest
import unittest.mock

HERE = os.path.dirname(os.path.abspath(__file__))
SMI = """#!/bin/sh
case "$*" in *compute_cap*) echo 9.0 ;; *query-gpu*) echo "a card that is not there, 1, 2" ;; esac
"""


CMAKE = """#!/bin/sh
case "$*" in *-S*) echo 'CUDA backend: on' ;; esac
"""


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.at = self.folder.name

    def tearDown(self):
        self.folder.cleanup()

    def tool(self, name, script):
        path = os.path.join(self.at, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(script)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def start(self, *options):
        path = self.at + ":" + os.environ["PATH"]
        return subprocess.Popen([os.path.join(HERE, "run"), "--report", os.path.join(self.at, "report"), *options, os.path.join(self.at, "build")],
                                env=dict(os.environ, PATH=path, WHYNOT_GPU_PACK=os.path.join(self.at, "none")),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def assert_ended(self, name):
        """The sleep whose process a tool has written to a file."""
        with open(os.path.join(self.at, name)) as f:
            child = f.read().strip()
        for _ in range(200):
            try:
                with open("/proc/%s/cmdline" % child, "rb") as f:
                    if b"sleep" not in f.read():
                        return
            except FileNotFoundError:
                return
            time.sleep(0.1)
        self.fail("what the step started is still there")

    def table(self):
        with open(os.path.join(self.at, "report")) as f:
            return f.read()

    def test_what_cannot_be_configured_is_said_and_the_rest_is_named(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", "#!/bin/sh\necho 'CMake Error: no such thing'\nexit 1\n")
        run = self.start()
        out = run.communicate(timeout=60)[0]
        self.assertEqual(run.returncode, 1, out)
        self.assertEqual(out, self.table())
        for words in ("a card that is not there", "FAILED    configure (exit 1", "|   CMake Error: no such thing", "prims-f32", "sanitizer-memcheck"):
            self.assertIn(words, out)
        self.assertIn("prims-f32", out[out.index("NOT RUN"):])
        left = out[out.index("NOT RUN"):].split()
        self.assertNotIn("configure", left)
        rows = ["bench-%s-%s-%d" % (network, precision, batch) for network in ("resnet50", "vgg16") for precision in ("f32", "tf32", "bf16", "f16")
                for batch in (1, 8, 32, 128)]
        self.assertEqual([row for row in rows if row not in left], ["bench-resnet50-bf16-32"])  # which is bench-first
        self.assertEqual(len(left), len(set(left)), left)

    def test_a_step_that_hangs_is_ended_with_all_that_it_started(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", "#!/bin/sh\nsleep 1000 & echo $! >%s/child; wait\n" % self.at)
        run = self.start("--seconds", "9")
        out = run.communicate(timeout=60)[0]
        self.assertEqual(run.returncode, 1, out)
        self.assertIn("CUT OFF   configure", out)
        self.assert_ended("child")

    def test_an_abort_leaves_the_table_and_what_is_missing(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", "#!/bin/sh\ntouch %s/begun\nexec sleep 1000\n" % self.at)
        self.tool("sleep", "#!/bin/sh\n[ $1 != 90 ] || echo $$ >%s/watch\nexec /bin/sleep $1\n" % self.at)  # of the one that would end the step
        run = self.start()
        for _ in range(600):
            if all(os.path.exists(os.path.join(self.at, name)) for name in ("begun", "watch")):
                break
            time.sleep(0.1)
        run.send_signal(signal.SIGTERM)
        out = run.communicate(timeout=60)[0]
        self.assertEqual(run.returncode, 143, out)
        self.assertIn("card", self.table())
        self.assertIn("NOT RUN   configure", self.table())
        self.assert_ended("watch")
        with tarfile.open(os.path.join(self.at, "logs.tar.gz")) as logs:
            self.assertIn("logs/configure.log", logs.getnames())

    def test_a_later_call_goes_on_behind_the_table_of_an_earlier_one(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        earlier = os.path.join(self.at, "report")
        steps = ("prims-f32", "golden")
        with open(earlier, "w") as f:
            f.write("card      a card\npassed    %s (1.0 s)\n| 64 figures\nFAILED    %s (exit 1 after 1.0 s)\nNOT RUN   prims-tf32\ntook      9 s\n" % steps)
        run = self.start("--after", earlier, "--only", "prims-")
        out = run.communicate(timeout=60)[0]
        table = self.table()
        self.assertTrue(table.startswith("card      a card\npassed    prims-f32 (1.0 s)\n| 64 figures\n"), table)
        for name in steps:
            self.assertEqual(table.count(name), 1, table)
            self.assertNotIn(name, out)
        self.assertIn("prims-tf32 (exit 127", out)  # there is no such program here: it was tried
        self.assertNotIn("NOT RUN   prims-tf32", table)

    def test_what_the_end_of_a_call_cut_off_is_run_by_the_next(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        self.tool("build/tests/prims/prims_test", "#!/bin/sh\necho '| 64 figures'\n")
        self.tool("build/tests/golden/golden_test", "#!/bin/sh\necho '| half a figure'\nexec sleep 1000\n")
        run = self.start("--seconds", "8")
        out = run.communicate(timeout=60)[0]
        self.assertEqual(run.returncode, 0, out)  # nothing has failed
        self.assertIn("passed    prims-f32", out)
        self.assertIn("CUT OFF   golden", out)
        self.assertIn("| 64 figures\n", out)
        self.assertIn(" golden ", out[out.index("NOT RUN"):])
        with open(os.path.join(self.at, "report"), "a") as f:
            f.write("skipped   prims-tf32: something was not here\n")
        self.tool("build/tests/golden/golden_test", "#!/bin/sh\necho '| a figure'\n")
        run = self.start("--seconds", "8", "--after", os.path.join(self.at, "report"))
        out = run.communicate(timeout=60)[0]
        table = self.table()
        self.assertIn("passed    golden", out)
        self.assertIn("passed    prims-tf32", out)
        self.assertNotIn("prims-f32", out[:out.index("NOT RUN")] if "NOT RUN" in out else out)
        for gone in ("CUT OFF   golden", "half a figure", "skipped   prims-tf32"):
            self.assertNotIn(gone, table)
        self.assertIn("| 64 figures\n", table[:table.index("earlier")])

    def test_without_a_table_to_go_on_behind_every_step_is_run(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        run = self.start("--after", os.path.join(self.at, "none"), "--only", "prims-f32")
        out = run.communicate(timeout=60)[0]
        self.assertIn("there is no table at", out)
        self.assertIn("FAILED    prims-f32 (exit 127", out)  # there is no such program here: it was tried

    def test_what_a_step_leaves_behind_ends_with_it(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        self.tool("build/tests/prims/prims_test", "#!/bin/sh\n(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 &\necho $! >%s/child\n" % self.at)
        run = self.start("--only", "prims-f32")
        out = run.communicate(timeout=60)[0]
        self.assertIn("passed    prims-f32", out)
        self.assert_ended("child")

    def test_that_the_real_networks_are_missing_is_said(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", "#!/bin/sh\nexit 1\n")
        os.environ.pop("WHYNOT_ASSETS", None)
        self.assertIn("networks  the real ones are NOT here", self.start().communicate(timeout=60)[0])
        self.tool("none/assets/models/resnet50.onnx.xz", "")
        self.tool("none/commit", "0123456789ab\n")
        self.assertNotIn("NOT here", self.start().communicate(timeout=60)[0])

    def test_the_rows_that_the_goals_are_about_are_measured_with_timed_plans_too(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        self.tool("build/clients/bench/whynot-bench", "#!/bin/sh\necho \"plans in $WHYNOT_PLAN_CACHE for $*\"\n")
        for name in ("resnet50", "resnet18", "vgg16", "densenet121"):
            self.tool("assets/models/%s.onnx" % name, "")
        with unittest.mock.patch.dict(os.environ, WHYNOT_ASSETS=os.path.join(self.at, "assets")):
            out = self.start("--only", "128").communicate(timeout=60)[0]
            out += self.start("--only", "-f16-1").communicate(timeout=60)[0]
        for row in ("resnet50-bf16-128", "resnet50-f16-1", "resnet50-tf32-128", "vgg16-f16-128", "vgg16-tf32-128", "densenet121-f16-128", "resnet18-f16-128"):
            name, precision, batch = row.split("-")
            for kept, plans in (("", ""), ("kept-", os.path.join(self.at, "build", "plans"))):
                self.assertRegex(out, r"passed    bench-%s%s \(.*\n\| plans in %s for engine .*/%s.onnx --batch %s --precisions %s " % (
                    kept, row, plans, name, batch, precision))

    def test_the_sanitizers_see_each_value_by_itself_and_say_a_row_for_each_program(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        self.tool("compute-sanitizer", "#!/bin/sh\n[ $1 != --help ] || exec echo --kernel-name --padding --report-api-errors\n"
                                       "echo \"========= ERROR SUMMARY: apart $WHYNOT_APART plain $WHYNOT_PLAIN $*\"\ncase $* in *draw_test*) exit 1 ;; esac\n")
        out = self.start("--only", "sanitizer-").communicate(timeout=60)[0]
        self.assertRegex(out, r"FAILED    sanitizer-racecheck")  # one that finds something fails the step, and the rest is run
        for tool, plain in (("memcheck", 0), ("racecheck", 1), ("initcheck", 1)):
            for label, program in (("net_", "prims_test .*--case net_"), ("hide", "evaluate_hide_test cuda .*/residual.onnx"), ("engine", "engine_test cuda")):
                self.assertRegex(out, r"\| %s of %s: ERROR SUMMARY: apart 1 plain %d --tool %s --error-exitcode 1 .*%s" % (tool, label, plain, tool, program))
        self.assertRegex(out, r"racecheck of draw: .* --kernel-name kns=16transpose_kernel ")
        self.assertRegex(out, r"passed    sanitizer-leaks .*\n\| leaks: ERROR SUMMARY: .*--leak-check full .*steady_test cuda .* leaks")

    def test_a_pack_without_the_networks_has_to_be_asked_for(self):
        for environment in ({}, {"WHYNOT_ASSETS": self.at}):
            kept = {name: value for name, value in os.environ.items() if name != "WHYNOT_ASSETS"}
            pack = subprocess.run([os.path.join(HERE, "pack"), os.path.join(self.at, "pack")], env=dict(kept, **environment), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            self.assertEqual(pack.returncode, 1, pack.stdout)
            self.assertIn("--no-networks", pack.stdout)
            self.assertFalse(os.path.exists(os.path.join(self.at, "pack")))

    def test_what_pytorch_is_or_why_it_is_not_there_stands_before_the_first_figure(self):
        self.tool("nvidia-smi", SMI)
        self.tool("cmake", CMAKE)
        self.tool("python3", "#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
        self.tool("build/clients/bench/whynot-bench", "#!/bin/sh\necho \"$@\"\n")
        out = self.start("--only", "bench-first").communicate(timeout=60)[0]
        self.assertIn("skipped   torch: No module named torch\npassed    bench-first", out)
        self.assertNotIn("--torch", out)
        self.tool("python3", "#!/bin/sh\ncase $2 in *print*torch.__version*) echo '| PyTorch 2' ;; esac\n")
        out = self.start("--only", "bench-first").communicate(timeout=60)[0]
        self.assertIn("| PyTorch 2\npassed    bench-first", out)
        self.assertIn("--torch %s" % os.path.join(os.path.dirname(HERE), "bench", "torch_engine.py"), out)


if __name__ == "__main__":
    unittest.main()
