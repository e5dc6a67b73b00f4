"""whynot-bench engine on the emulation: what it says where the device has a clock of its own. A millisecond there is one thing done."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH = os.environ["WHYNOT_BENCH"]
NETWORK = os.environ["WHYNOT_NETWORK"]  # small; its name says which goals it is judged by

FAKE = """import sys
print("ready", flush=True)
for line in sys.stdin:
    print({"forward": 4e6, "explain": 9e6}[line.strip()], flush=True)
"""


class Clock(unittest.TestCase):
    def run_bench(self, name, *options):
        with tempfile.TemporaryDirectory() as folder:
            network = os.path.join(folder, name + ".onnx")
            other = os.path.join(os.path.dirname(NETWORK), name + ".onnx")
            shutil.copy(other if os.path.exists(other) else NETWORK, network)
            fake = os.path.join(folder, "fake.py")
            with open(fake, "w") as f:
                f.write(FAKE)
            done = subprocess.run([BENCH, "engine", "--backend", "cuda", "--model", network, "--rounds", "1", "--foils", "1", "--pause-ms", "0", "--resident", "--whole-batch",
                                   *([] if "--steps" in options else ["--torch", fake, "--python", sys.executable]), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

    def numbers(self, *options):
        return json.loads(self.run_bench(*options, "--json"))["models"][0]

    def test_ratios_are_those_of_the_devices_clock(self):
        model = self.numbers("resnet50", "--batch", "32", "--precisions", "bf16")
        forward, explain = model["device_ms"]["own bf16 forward"], model["device_ms"]["own bf16 explain 1"]
        self.assertEqual((forward, explain), (int(forward), int(explain)))
        self.assertAlmostEqual(model["ratios"][": explanations a second, bf16"], 32e3 / explain, 3)
        self.assertGreater(explain, forward)
        self.assertAlmostEqual(model["ratios"]["H7: explanation / own forward, bf16"], explain / forward, 3)
        self.assertAlmostEqual(model["ratios"]["H12: PyTorch Grad-CAM / own explanation, bf16"] * model["median_ms"]["own bf16 explain 1"] / 9e6, 1, 2)
        self.assertFalse([words for words in model["ratios"] if words.startswith("C")], model["ratios"])

    def test_maps_of_every_class_of_a_batch_are_one_run(self):
        each = {}
        for batch in (1, 32):
            each[batch] = self.numbers("resnet50", "--batch", str(batch), "--precisions", "f16")
        stack, explain = ({n: m["device_ms"]["own f16 " + row] for n, m in each.items()} for row in ("stack", "explain 1"))
        self.assertLess(stack[32], stack[1] + 8)  # a few launches that keep the images apart
        ratios = each[32]["ratios"]
        self.assertAlmostEqual(ratios["H8: maps of every class / 1, f16"], stack[32] / explain[32], 3)
        self.assertIn("H8: 999 contrasts / 1, f16", ratios)
        self.assertNotIn("H8", str(each[1]["ratios"]))

    def test_a_goal_is_of_its_batch_its_network_and_its_precision(self):
        def goals(*options):
            return {words.split(":")[0] for words in self.numbers(*options)["ratios"]} - {""}
        self.assertEqual(goals("resnet50", "--batch", "1", "--precisions", "f16"), {"H6"})
        self.assertEqual(goals("resnet50", "--batch", "8", "--precisions", "f16"), set())
        self.assertEqual(goals("resnet50", "--batch", "32", "--precisions", "f32", "--method", "ixg"), {"H9"})

    def test_each_step_has_its_launches_its_time_and_the_bytes_that_it_moves(self):
        """residual.onnx: 9x9 cells, pictures of 3 channels that lie padded to 8, layers of 4, 2 pictures in 16 bits, a question about each in their order."""
        model = self.numbers("residual", "--batch", "2", "--precisions", "bf16", "--method", "ixg", "--steps", "1", "--rounds", "2")
        plane = 2 * 81 * 2  # of one channel
        steps = model["steps"]
        bytes_of = lambda what: [s["bytes"] for s in steps if s["what"] == what]
        self.assertEqual(bytes_of("conv 3x3 3x9x9 > 4x9x9"), [8 * plane + 2 * (4 * 3 * 9 + 4) + 4 * plane])
        self.assertEqual(bytes_of("conv 3x3 4x9x9 > 4x9x9")[1], 3 * 4 * plane + 2 * (4 * 4 * 9 + 4))  # with a residual
        self.assertEqual(bytes_of("unary_bwd relu 4x9x9 > 4x9x9"), [3 * 4 * plane] * 2 + [4 * 4 * plane])  # the last adds two gradients up
        self.assertEqual(bytes_of("conv_bwd 3x3 4x9x9 > 3x9x9"), [(4 + 3) * plane + 2 * 4 * 3 * 9])
        self.assertEqual(bytes_of("channel_dot 3x9x9 > 1x9x9"), [(8 + 3) * plane + 2 * plane])
        for s in steps:  # what it launches, and the event behind
            self.assertEqual(s["ms"], s["launches"] + 1, s)
        self.assertEqual([s["stage"] for s in steps], sorted(s["stage"] for s in steps))
        self.assertEqual({s["macs"] for s in steps if s["what"] == "conv 3x3 4x9x9 > 4x9x9"}, {2 * 81 * 4 * 4 * 9})

    def test_a_slice_reads_no_more_than_it_keeps(self):
        steps = self.numbers("split", "--batch", "2", "--precisions", "f32", "--steps", "1", "--method", "ixg")["steps"]
        self.assertEqual([s["bytes"] for s in steps if s["what"] == "copy 4x9x9 > 2x9x9"], [2 * (2 * 2 * 81 * 4)] * 2)

    def test_the_table_of_steps_adds_up_by_stage_and_lists_the_longest(self):
        table = self.run_bench("residual", "--precisions", "f32", "--method", "ixg", "--steps", "3").splitlines()
        sums = {line.rsplit("  ", 1)[1]: line.split()[0] for line in table if "all of stage" in line}
        self.assertEqual(list(sums), ["all of stage 0, the forward pass", "all of stage 1"])
        self.assertEqual(len([line for line in table if "> " in line]), 3)

    def test_the_table_says_what_was_missed_and_by_which_clock(self):
        table = self.run_bench("resnet50", "--precisions", "f16")
        self.assertRegex(table, r"median ms +quartile +quartile +device ms\n")
        row = next(line.split() for line in table.splitlines() if line.startswith("  own f16 explain 1"))
        self.assertRegex(table, r"H6 +forward pass and map, ms, f16 +%s  \(at most 0\.45\)  MISSED" % row[7])


if __name__ == "__main__":
    unittest.main(verbosity=2)
