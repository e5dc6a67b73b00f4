"""Real networks over HTTP: logits and maps against the golden numbers beside them. Skipped without WHYNOT_ASSETS."""
import array
import ast
import base64
import csv
import math
import os
import sys
import tempfile
import unittest
import zipfile

import asset_models
import daemon

ASSETS = os.environ.get("WHYNOT_ASSETS", "")
BOUND = 1e-4  # max|diff| / max|golden|, oneDNN in f32 against PyTorch and ONNX Runtime


def read_npy(data):
    """(shape, numbers) of a .npy of f32 or i64."""
    size = int.from_bytes(data[8:10], "little")
    head = ast.literal_eval(data[10:10 + size].decode())
    numbers = array.array({"<f4": "f", "<i8": "q"}[head["descr"]])
    numbers.frombytes(data[10 + size:])
    assert not head["fortran_order"] and len(numbers) == math.prod(head["shape"])
    return head["shape"], numbers


def golden(name):
    path = os.path.join(ASSETS, "golden", name)
    with open(path, "rb") as f:
        return read_npy(f.read())


def golden_set(name):
    with zipfile.ZipFile(os.path.join(ASSETS, "golden", name)) as z:
        return {n[:-4]: read_npy(z.read(n)) for n in z.namelist()}


def row(array_of, i):
    shape, numbers = array_of
    n = math.prod(shape[1:])
    return numbers[i * n:(i + 1) * n]


def error(got, want):
    return max(abs(a - b) for a, b in zip(got, want)) / max(abs(b) for b in want)


def pictures(folder, suffix):
    """Paths in the order of the golden rows: that of labels.csv."""
    with open(os.path.join(ASSETS, folder, "labels.csv")) as f:
        return [os.path.join(ASSETS, folder, line["file"]) for line in csv.DictReader(f) if line["file"].endswith(suffix)]


@unittest.skipUnless(os.path.isdir(os.path.join(ASSETS, "golden")), "WHYNOT_ASSETS with golden numbers is not set")
class RealNetworks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        asset_models.write(ASSETS, cls.folder.name)
        cls.d = daemon.Daemon(cls.folder.name, "--max-questions", "8").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()

    def ask(self, model, path, query):
        with open(path, "rb") as f:
            answer = self.d.explain(f.read(), query, model, Content_Type="application/octet-stream")
        self.assertEqual(answer.status, 200, answer.body[:400])
        return answer.json

    def logits(self, model, path, classes):
        answer = self.ask(model, path, "?outputs=raw&top_k=%d" % classes)
        self.assertEqual(len(answer["predictions"]), classes)
        out = [0.0] * classes
        for p in answer["predictions"]:
            out[p["index"]] = p["logit"]
        return out

    def check_logits(self, model, folder, suffix, step):
        wanted = golden(model + "_images_logits.npy" if folder == "images" else model + "_logits.npy")
        paths = pictures(folder if folder == "images" else folder + "/images", suffix)
        self.assertEqual(len(paths), wanted[0][0])
        worst = max(error(self.logits(model, paths[i], wanted[0][1]), row(wanted, i)) for i in range(0, len(paths), step))
        print("%s: %d pictures, worst relative error of a logit vector %.2g" % (model, len(range(0, len(paths), step)), worst))
        self.assertLess(worst, BOUND)

    def test_logits_of_photographs(self):
        for model in ("resnet18", "resnet50", "squeezenet10"):
            self.check_logits(model, "images", "JPEG", 8)

    def test_logits_of_small_pictures(self):
        self.check_logits("cifar_resnet20", "cifar", "png", 3)
        self.check_logits("gtsrb_cnn", "gtsrb", "png", 5)

    def test_both_exports_of_one_network_agree(self):
        for path in pictures("cifar/images", "png")[:10]:
            a, b = (self.logits(m, path, 10) for m in ("cifar_resnet20", "cifar_resnet20_slicepad"))
            self.assertLess(error(a, b), BOUND)

    def test_maps_of_photographs(self):
        paths = pictures("images", "JPEG")
        for model in ("resnet18", "resnet50", "squeezenet10"):
            want, worst = golden_set(model + "_gradcam_torch.npz"), 0
            for i, n in enumerate(want["row"][1]):
                p, q = want["P"][1][i], want["Q"][1][i]
                for key, query in (("map_P", "contrast=logit"), ("map_PQ", "contrast=pair&why_not=%d" % q),
                                   ("map_CEQ", "contrast=cross-entropy&why_not=%d" % q)):
                    answer = self.ask(model, paths[n], "?outputs=raw&target=%d&%s" % (p, query))
                    got = array.array("f")
                    got.frombytes(base64.b64decode(answer["maps"][0]["raw"]["data"]))
                    worst = max(worst, error(got, row(want[key], i)))
            print("%s: %d pictures, worst relative error of a map %.2g" % (model, len(want["row"][1]), worst))
            self.assertLess(worst, BOUND)

    def test_every_class_at_once(self):
        """The mean over 999 pairs is the contrast with the mean; a pair from maps that are kept is the pair, for next to nothing."""
        def raw(answer):
            got = array.array("f")
            got.frombytes(base64.b64decode(answer["maps"][0]["raw"]["data"]))
            return got
        path = pictures("images", "JPEG")[5]
        for model in ("resnet18", "resnet50", "squeezenet10"):
            plain = self.ask(model, path, "?outputs=raw&why_not=auto:1")
            rival = plain["why_not"][0]["index"]
            everything = self.ask(model, path, "?outputs=raw&why_not=all&contrast=pair&statistics=raw")
            self.assertLess(error(raw(everything), raw(self.ask(model, path, "?outputs=raw&contrast=mean"))), 2e-5)
            kept = [self.ask(model, path, "?outputs=raw&reuse=true&why_not=%d" % rival) for _ in range(5)]
            self.assertTrue(all(k["timings_ms"]["forward"] == 0 for k in kept))
            self.assertLess(error(raw(kept[0]), raw(plain)), 2e-5)
            drawn = self.ask(model, path, "?why_not=all")
            forward, pair = plain["timings_ms"]["forward"], min(k["timings_ms"]["cam"] for k in kept)
            print("%s: a pair from kept maps %.4f of a forward pass, the whole request %.3f; masks over all foils %.2f" %
                  (model, pair / forward, min(k["timings_ms"]["total"] for k in kept) / forward, drawn["timings_ms"]["cam"] / forward))
            self.assertLess(pair, 0.01 * forward)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    ran = result.testsRun - len(result.skipped)
    sys.exit(1 if not result.wasSuccessful() else 77 if ran == 0 else 0)
