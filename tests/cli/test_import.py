"""import: from an ONNX file and what lies beside it to a folder that the daemon serves."""
import json
import os
import random
import shutil
import tempfile
import unittest

from command import daemon, on_terminal, whynot
import tiny_onnx

NORMAL = ["--mean", "0.5", "--std", "0.25"]


def with_size(size, layout="NCHW", ops=("Relu",), channels=3):
    """A small network whose input has the given height and width: numbers, or names for any."""
    rng = random.Random(1)
    t = [tiny_onnx.tensor("w", [4, 3, 3, 3], tiny_onnx.normal(rng, 108, 0.3)), tiny_onnx.tensor("b", [4], [0.1] * 4),
         tiny_onnx.tensor("fc", [5, 4], tiny_onnx.normal(rng, 20, 1.0)), tiny_onnx.tensor("fb", [5], [0.0] * 5)]
    n = [] if layout == "NCHW" else [tiny_onnx.node("Transpose", ["image"], "nchw", perm=[0, 3, 1, 2])]  # what exporters do
    n.append(tiny_onnx.node("Conv", ["image" if layout == "NCHW" else "nchw", "w", "b"], "y0", kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    for i, op in enumerate(ops):
        n.append(tiny_onnx.node(op, ["y%d" % i], "y%d" % (i + 1)))
    n += [tiny_onnx.node("GlobalAveragePool", ["y%d" % len(ops)], "p"), tiny_onnx.node("Flatten", ["p"], "f"),
          tiny_onnx.node("Gemm", ["f", "fc", "fb"], "logits", transB=1)]
    shape = ["N", channels, size, size] if layout == "NCHW" else ["N", size, size, 3]
    return tiny_onnx.model(n, t, [("image", shape)], [("logits", ["N", 5])])


class Import(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        self.models = os.path.join(self.folder, "models")
        self.source = os.path.join(self.folder, "net")
        os.mkdir(self.source)
        self.picture = os.path.join(self.folder, "p.png")
        with open(self.picture, "wb") as f:
            f.write(daemon.picture(2))

    def tearDown(self):
        self.temporary.cleanup()

    def write(self, name, data):
        path = os.path.join(self.source, name)
        with open(path, "wb" if isinstance(data, bytes) else "w") as f:
            f.write(data if isinstance(data, (bytes, str)) else json.dumps(data))
        return path

    def run_import(self, *words, code=0):
        r = whynot("import", *words, "--to", self.models)
        self.assertEqual(r.code, code, r.out + r.err)
        self.assertNotIn("Sanitizer", r.err)
        if code:
            self.assertEqual([n for n in (os.listdir(self.models) if os.path.isdir(self.models) else []) if n.startswith(".")], [])
        return r

    def test_an_imported_network_answers_as_one_whose_manifest_was_written_by_hand(self):
        by_hand = os.path.join(self.folder, "by-hand")
        os.mkdir(by_hand)
        onnx = tiny_onnx.classifier(seed=3)
        daemon.write_model(by_hand, "net", onnx, daemon.LABELS, 16)
        path = self.write("net.onnx", onnx)
        r = self.run_import(path, "--labels", os.path.join(by_hand, "net", "labels.txt"), *NORMAL)
        for word in ("3 x 16 x 16", "12", "relu1", "MB"):
            self.assertIn(word, r.err)
        with open(os.path.join(self.models, "net", "manifest.json")) as f:
            self.assertEqual(json.load(f), json.loads(r.out))
        answers = []
        for models in (by_hand, self.models):
            a = json.loads(whynot("explain", self.picture, "--json", "-m", "net", "-q", "stop", "--models", models).out)
            a.pop("timings_ms")
            answers.append(a)
        self.assertEqual(answers[0], answers[1])
        with daemon.Daemon(self.models, "--access-log=false") as d:
            self.assertTrue(d.get("/v1/models/net").json["ready"])

    def test_what_lies_beside_the_network_is_taken_over(self):
        """The keys of Hugging Face's image processors, as their files have them."""
        cases = [
            ({"size": 224, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "crop_pct": 0.875, "do_resize": True, "do_normalize": True, "resample": 2},
             {"resize": "squash", "size": [224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
            ({"size": {"shortest_edge": 224}, "crop_pct": 0.875, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]},
             {"resize": "short-side", "short_side": 256, "crop": [224, 224]}),
            ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}, "image_mean": [0.5], "image_std": [0.25], "resample": 3},
             {"resize": "short-side", "short_side": 256, "crop": [224, 224], "mean": [0.5]}),
            ({"size": {"height": 224, "width": 224}, "do_normalize": False, "rescale_factor": 0.00392156862745098, "do_flip_channel_order": True},
             {"resize": "squash", "size": [224, 224], "mean": [0.0], "std": [1.0], "channels": "BGR"}),
            ({"size": {"shortest_edge": 384}, "crop_pct": 1.0, "do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3},
             {"resize": "squash", "size": [384, 384], "scale": 1.0}),
        ]
        for i, (config, wanted) in enumerate(cases):
            self.write("preprocessor_config.json", config)
            self.write("config.json", {"id2label": {str(k): "bird %d" % k for k in range(5)}})
            path = self.write("net.onnx", with_size(384 if i == 4 else 224))
            r = self.run_import(path, "--name", "net%d" % i)
            got = json.loads(r.out)["input"]
            self.assertEqual({k: got[k] for k in wanted}, wanted, config)
            self.assertEqual("bilinear" in r.err, config.get("resample", 2) != 2)
            with open(os.path.join(self.models, "net%d" % i, "labels.txt")) as f:
                self.assertEqual(f.read(), "".join("bird %d\n" % k for k in range(5)))

    def imported(self, config, *words):
        """The input's part of the manifest, and what was said."""
        self.write("preprocessor_config.json", config)
        r = self.run_import(self.write("net.onnx", with_size(224)), "--dry-run", *words)
        return json.loads(r.out)["input"], r.err

    def test_what_is_taken_off_after_scaling_is_part_of_the_mean(self):
        """EfficientNet's processors: x = pixel * factor, - 1 with rescale_offset, normalised, and divided by the std once more with include_top."""
        def numbers(*words, **config):
            got, said = self.imported(dict({"size": 224, "rescale_factor": 1 / 127.5}, **config), *words)
            self.assertNotIn("note ", said)
            return [[round(x, 6) for x in got[k]] for k in ("mean", "std")]
        mean, std = [0.485, 0.456, 0.406], [0.5, 0.25, 0.2]
        self.assertEqual(numbers(rescale_offset=True, do_normalize=False), [[1.0], [1.0]])  # pixel / 127.5 - 1
        self.assertEqual(numbers(rescale_offset=True, image_mean=mean, image_std=std), [[1.485, 1.456, 1.406], std])
        self.assertEqual(numbers(rescale_offset=False, image_mean=mean, image_std=std), [mean, std])
        self.assertEqual(numbers(rescale_offset=True, do_rescale=False, image_mean=mean, image_std=std), [mean, std])  # it is a part of rescaling
        self.assertEqual(numbers(rescale_offset=True, include_top=True, image_mean=mean, image_std=std), [[1.485, 1.456, 1.406], [0.25, 0.0625, 0.04]])
        self.assertEqual(numbers(include_top=True, do_normalize=False, image_mean=mean, image_std=std), [[0.0], std])
        self.assertEqual(numbers("--profile", "cem", rescale_offset=True)[0], [1.5] * 3)  # the file has no mean; the profile's has 0.5
        plain, again = (numbers("--profile", "squash", include_top=top)[1] for top in (False, True))  # nor a std
        self.assertEqual(again, [round(x * x, 6) for x in plain])
        self.assertNotEqual(again, plain)
        self.assertEqual(numbers("--mean", "1", rescale_offset=True, image_std=std)[0], [1.0])  # said as the manifest says it

    def test_what_cannot_be_taken_over_is_a_note(self):
        normal = {"size": 224, "image_mean": [0.5], "image_std": [0.25]}
        for config, notes in (({"do_pad": True}, 1), ({"pad_size": {"height": 256, "width": 256}}, 1), ({"do_pad": True, "pad_size": 256, "resample": 3}, 2),
                              ({"do_pad": False, "pad_size": 256}, 0), ({"do_pad": None, "pad_size": None}, 0), ({}, 0)):
            said = [line for line in self.imported(dict(normal, **config))[1].splitlines() if line.startswith("note ")]
            self.assertEqual(len(said), notes, (config, said))
            self.assertEqual(any("do_pad" in line for line in said), notes > 0)

    def test_a_file_that_is_there_is_not_called_missing(self):
        path, file = self.write("net.onnx", with_size(16)), os.path.join(self.source, "preprocessor_config.json")
        for config, lacking in (({}, "has no image_mean and no image_std, and there is no --mean and --std"), ({"image_std": 1}, "has no image_mean, and there is no --mean"),
                                ({"image_mean": 1}, "has no image_std, and there is no --std")):
            self.write("preprocessor_config.json", dict(config, size=16))
            r = self.run_import(path, code=2)
            self.assertIn(file + " " + lacking, r.err)
            self.assertNotIn("no preprocessor_config.json", r.err)
        r = self.run_import(path, "--preprocessor", "none", code=2)
        self.assertIn("no preprocessor's file was read, no --mean and --std", r.err)
        os.remove(file)
        self.assertIn("no preprocessor_config.json beside the network, no --mean and --std", self.run_import(path, code=2).err)
        self.assertIn("no preprocessor_config.json beside the network, no --std;", self.run_import(path, "--mean", "1", code=2).err)

    def test_labels_may_be_a_json_list(self):
        path = self.write("net.onnx", with_size(16))
        self.run_import(path, *NORMAL, "--labels", self.write("l.json", list("abcde")))
        with open(os.path.join(self.models, "net", "labels.txt")) as f:
            self.assertEqual(f.read(), "a\nb\nc\nd\ne\n")
        for bad in ({"0": "a", "2": "b"}, ["a", 1, "c", "d", "e"], [], "{"):
            self.run_import(path, *NORMAL, "--name", "bad", "--labels", self.write("l.json", bad), code=2)

    def test_operators_that_are_missing_are_all_named(self):
        r = self.run_import(self.write("net.onnx", with_size(16, ops=("Mangle", "Relu", "Frobnicate"))), *NORMAL, code=3)
        self.assertIn("Mangle", r.err)
        self.assertIn("Frobnicate", r.err)
        self.assertEqual(r.out, "")

    def test_a_network_that_takes_any_size_is_given_one(self):
        path = self.write("net.onnx", with_size("side"))
        r = self.run_import(path, *NORMAL, code=2)
        self.assertIn("--size", r.err)
        for bad in ("32abc", "32x", "x32", "32x24x16", "0x32", "4294967328", "32x18446744073709551648"):
            self.assertIn("HEIGHTxWIDTH", self.run_import(path, *NORMAL, "--size", bad, code=2).err, bad)
        r = self.run_import(path, *NORMAL, "--size", "32x24")
        self.assertEqual(json.loads(r.out)["input"]["size"], [32, 24])

    def test_only_a_size_that_is_missing_is_asked_for(self):
        for name, onnx, said in (("free: ", with_size(16, ops=(" free: ",)), "1 operator of the model is not supported"), ("channels", with_size("side", channels="c"), "the channels, free")):
            path = self.write("net.onnx", onnx)
            r = self.run_import(path, *NORMAL, code=3)
            self.assertNotIn("--size", r.err, name)
            self.assertIn(said, r.err)

    def test_channels_last_is_recognised_and_refused_with_the_way_out(self):
        r = self.run_import(self.write("net.onnx", with_size(16, "NHWC")), *NORMAL, code=3)
        self.assertRegex(r.err, "channels first")

    def test_without_mean_and_std_it_asks_or_refuses_but_never_guesses(self):
        path = self.write("net.onnx", with_size(16))
        r = self.run_import(path, code=2)
        self.assertIn("center-crop", r.err)
        self.assertFalse(os.path.exists(os.path.join(self.models, "net")))
        r = self.run_import(path, "--profile", "cem")
        self.assertEqual(json.loads(r.out)["input"]["mean"], [0.5, 0.5, 0.5])
        r = on_terminal("import", path, "--name", "asked", "--to", self.models, typed=b"squash\n")
        self.assertEqual(r.code, 0, r.out)
        self.assertIn("how were pictures made into input", r.out)
        with open(os.path.join(self.models, "asked", "manifest.json")) as f:
            self.assertEqual(json.load(f)["input"]["mean"], [0.485, 0.456, 0.406])

    def test_nothing_is_overwritten_and_nothing_half_written_stays(self):
        path = self.write("net.onnx", with_size(16))
        self.run_import(path, *NORMAL)
        with open(os.path.join(self.models, "net", "manifest.json"), "rb") as f:
            before = f.read()
        r = self.run_import(path, "--mean", "0", "--std", "1", code=2)
        self.assertIn("--name", r.err)
        with open(os.path.join(self.models, "net", "manifest.json"), "rb") as f:
            self.assertEqual(f.read(), before)
        self.run_import(path, "--name", "other", *NORMAL, "--labels", self.write("l.txt", "a\nb\n"), code=2)
        self.run_import(path, "--name", "other", *NORMAL, "--resize", "short-side", "--short-side", "8", code=3)
        self.run_import(path, "--name", "other", *NORMAL, "--std", "0", code=3)
        self.assertEqual(os.listdir(self.models), ["net"])

    def test_a_dry_run_writes_nothing(self):
        r = self.run_import(self.write("model.onnx", with_size(16)), *NORMAL, "--dry-run")
        self.assertEqual(json.loads(r.out)["name"], "net")  # of its folder
        self.assertFalse(os.path.exists(self.models))

    def test_bundled_networks_can_be_imported(self):
        root = os.environ["WHYNOT_ROOT"]
        for name in ("signs-resnet", "signs-vgg"):
            there = os.path.join(root, "models", name)
            copy = os.path.join(self.folder, name)
            shutil.copytree(there, copy)
            self.run_import(os.path.join(copy, "model.onnx"), *NORMAL)
            sample = os.path.join(there, "samples", "no-right-turn-1.png")
            maps = [json.loads(whynot("explain", sample, "-m", os.path.join(m, name), "--json", "-q", "no left turn", "--outputs", "raw").out)["maps"]
                    for m in (os.path.join(root, "models"), self.models)]
            self.assertEqual(maps[0], maps[1])


if __name__ == "__main__":
    unittest.main()
