"""whynot-bench engine: besides times (which are not judged here) it says how far the maps of each precision are from those of f32."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH = os.environ["WHYNOT_BENCH"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NETWORK = os.path.join(ROOT, "models", "signs-resnet", "model.onnx")
SMALL = os.path.join(ROOT, "tests", "golden", "data", "residual.onnx")


def run(*options):
    return subprocess.run([BENCH, "engine", "--model", NETWORK, "--rounds", "1", "--pause-ms", "0", "--no-bare", *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Errors(unittest.TestCase):
    def test_each_precision_is_told_how_far_its_maps_are_from_f32(self):
        done = run("--precisions", "f32,bf16", "--json")
        if done.returncode:
            self.skipTest("this build has no quick backend: " + done.stderr)
        model = json.loads(done.stdout)["models"][0]
        if "own bf16 forward" not in model["median_ms"]:
            self.assertEqual(model["map_errors"], {})
            self.skipTest("this processor has no bf16")
        self.assertEqual(list(model["map_errors"]), ["bf16"])
        self.assertGreater(model["map_errors"]["bf16"], 1e-4)  # eight bits of mantissa
        self.assertLess(model["map_errors"]["bf16"], 0.3)
        self.assertIn("worst map error of bf16 against f32", run("--precisions", "bf16").stdout)

    def test_f32_alone_is_compared_with_nothing(self):
        self.assertEqual(json.loads(run("--precisions", "f32", "--json", "--backend", "ref", "--foils", "1").stdout)["models"][0]["map_errors"], {})

    def test_every_picture_is_asked_as_often_as_the_row_says(self):
        model = json.loads(run("--precisions", "f32", "--json", "--backend", "ref", "--foils", "1,400", "--batch", "8", "--model", SMALL).stdout)["models"][0]
        self.assertEqual(model["answers"], {"own f32 explain 1": 8, "own f32 explain 400": 3200})

    def test_more_questions_than_are_meant_for_one_call_are_refused(self):
        done = run("--backend", "ref", "--foils", "1,10000", "--batch", "101")
        self.assertEqual(done.returncode, 2)
        self.assertIn("10000 questions about each of 101 images are more than 1000000", done.stderr)

    def test_a_network_of_one_logit_is_timed_too(self):
        done = run("--precisions", "f32", "--json", "--backend", "ref", "--foils", "1", "--model", SMALL.replace("residual", "one_logit"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["models"][0]["answers"], {"own f32 explain 1": 1})

    def test_any_contrast_that_the_library_takes_is_timed(self):
        def bench(contrast, *options):
            return run("--precisions", "f32", "--json", "--backend", "ref", "--foils", "1", "--model", SMALL, *options, *(["--contrast", contrast] if contrast else []))
        for contrast, options in ((None, []), ("pair", []), ("subset", []), ("mean", []), ("clrp", ["--method", "lrp-zplus"])):
            done = bench(contrast, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            said = json.loads(done.stdout)
            self.assertEqual((said["contrast"], said["models"][0]["answers"]), (contrast or "weighted", {"own f32 explain 1": 1}))
        for contrast, words in (("clrp", "is made of passes of relevance: ask with method 'lrp-zplus'"), ("regression", "needs a value: the number that the output might have been")):
            done = bench(contrast)
            self.assertEqual((done.returncode, "contrast '%s' %s" % (contrast, words) in done.stderr), (1, True), done.stderr)
            self.assertNotIn("median_ms", done.stdout)
        done = bench("pear")
        self.assertEqual((done.returncode, "--contrast NAME" in done.stderr), (2, True))
        self.assertIn(", contrast pair\n", run("--precisions", "f32", "--backend", "ref", "--foils", "1", "--model", SMALL, "--contrast", "pair").stdout)

    def test_foils_are_numbers(self):
        for wrong in ("0", "-1", "x", "1,2,3,4,5,6,7,8,9", "1;2", ""):
            self.assertEqual(run("--backend", "ref", "--foils", wrong).returncode, 2, wrong)

    def test_a_processor_has_the_hosts_clock_and_its_goals(self):
        model = json.loads(run("--precisions", "f32", "--json", "--backend", "ref", "--foils", "1", "--batch", "32", "--model", SMALL).stdout)["models"][0]
        self.assertEqual(model["device_ms"], {})
        self.assertIn("C1/C2: explanation / own forward, f32", model["ratios"])
        self.assertFalse([words for words in model["ratios"] if words.startswith("H")], model["ratios"])

    def test_maps_of_every_class_are_timed_in_any_batch_and_what_is_kept_of_one_picture_alone(self):
        for options, kept in ((["--batch", "1"], True), (["--batch", "3"], False), (["--batch", "3", "--whole-batch"], False)):
            times = json.loads(run("--precisions", "f32", "--json", "--backend", "ref", "--foils", "1", "--model", SMALL, *options).stdout)["models"][0]["median_ms"]
            for row, there in (("stack", True), ("999 contrasts", True), ("cached pair", kept), ("all-foil masks", kept)):
                self.assertEqual(times.get("own f32 " + row, -1) >= 0, there, (options, row))  # a pair may take less than is printed


class Steps(unittest.TestCase):
    def test_every_step_of_every_run_counts(self):
        done = run("--model", SMALL, "--precisions", "f32", "--method", "ig", "--foils", "2", "--steps", "1", "--json")
        if "there is no backend" in done.stderr:
            self.skipTest("this build has no quick backend: " + done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        steps = json.loads(done.stdout)["models"][0]["steps"]
        runs = 2 * 32  # nodes of two questions
        self.assertEqual({s["launches"] for s in steps if s["primitive"] == "conv_bwd"}, {runs})
        self.assertEqual({s["macs"] for s in steps if s["primitive"] == "conv_bwd"}, {runs * 81 * 4 * 4 * 9, runs * 81 * 4 * 3 * 9})
        self.assertGreater(min(s["ms"] for s in steps), 0)
        self.assertNotIn("bytes", steps[0])

    def test_what_it_would_ignore_is_refused(self):
        for option in (["--cpu-time"], ["--torch", "x.py"]):
            done = run("--model", SMALL, "--steps", "1", *option)
            self.assertEqual(done.returncode, 2)
            self.assertIn("leave --cpu-time and --torch out", done.stderr)

    def test_a_backend_that_does_not_time_its_steps_says_so(self):
        done = run("--model", SMALL, "--precisions", "f32", "--backend", "ref", "--steps", "1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("the backend 'ref' does not time its steps", done.stderr)


FAKE = """import sys
print("ready", flush=True)
if "--compile" in sys.argv:
    print("works\\nRuntimeError: no compiler", flush=True)
for line in sys.stdin:
    print({"forward": 4, "explain": 3, "compiled forward": 2}[line.strip()], flush=True)
"""


class Compile(unittest.TestCase):
    """A stand-in for PyTorch: what it says of torch.compile becomes rows, whatever it says."""

    def bench(self, script, *options):
        with tempfile.TemporaryDirectory() as folder:
            network, fake = os.path.join(folder, "resnet18.onnx"), os.path.join(folder, "fake.py")
            shutil.copy(NETWORK, network)
            with open(fake, "w") as f:
                f.write(script)
            done = run("--precisions", "f32", "--backend", "ref", "--foils", "1", "--torch", fake, "--python", sys.executable, "--model", network, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

    def test_what_works_is_timed_and_what_does_not_is_a_row_that_says_why(self):
        table = self.bench(FAKE, "--torch-compile")
        self.assertRegex(table, r"torch forward +4\.00")
        self.assertRegex(table, r"torch compiled forward +2\.00")
        self.assertRegex(table, r"torch compiled explain +does not work here: RuntimeError: no compiler")
        self.assertNotIn("compiled", self.bench(FAKE))

    def test_an_end_while_compiling_is_a_row_too(self):
        table = self.bench("print('ready', flush=True)", "--torch-compile")
        self.assertEqual(table.count("does not work here: PyTorch ended while it compiled"), 2)
        self.assertIn("own f32 forward", table)


if __name__ == "__main__":
    unittest.main(verbosity=2)
