"""whynot-bench engine: besides times (which are not judged here) it says how far the maps of each precision are from those of f32."""
import json
import os
import subprocess
import unittest

BENCH = os.environ["WHYNOT_BENCH"]
NETWORK = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "models", "signs-resnet", "model.onnx")


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
