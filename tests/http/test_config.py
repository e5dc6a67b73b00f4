"""Options from four sources, model folders good and bad, and what the exit codes say."""
import itertools
import json
import os
import socket
import subprocess
import tempfile
import unittest

import asking
import daemon
import tiny_onnx
from daemon import picture


def run(*arguments, environment=None):
    """(exit code, stdout, stderr) of a daemon that should not come to serving."""
    p = subprocess.run([os.environ["WHYNOTD"], *arguments], capture_output=True, text=True, timeout=60, env=dict(os.environ, **(environment or {})))
    return p.returncode, p.stdout, p.stderr


class Config(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.models = os.path.join(self.folder.name, "models")
        os.mkdir(self.models)

    def model(self, name="tiny", **more):
        return daemon.write_model(self.models, name, tiny_onnx.classifier(), daemon.LABELS, 16, **more)

    def file(self, text):
        path = os.path.join(self.folder.name, "whynotd.json")
        with open(path, "w") as f:
            f.write(text)
        return path

    # ---- options ----

    def test_help_and_version(self):
        code, out, _ = run("--help")
        self.assertEqual(code, 0)
        for word in ("--max-body-bytes (default 16777216)", "WHYNOT_", "exit codes", "--models"):
            self.assertIn(word, out)
        self.assertRegex(run("--version")[1], r"^whynotd \d")

    def test_wrong_options_are_named_with_what_was_meant(self):
        for arguments, words in ((["--prot", "1"], "did you mean 'port'"), (["--port", "x"], "whole number"), (["--port", "70000"], "65535"),
                                 (["--port"], "wants a value"), (["a", "b"], "not understood"), (["--insecure=maybe"], "true or false"),
                                 (["--config", "/nowhere"], "cannot be opened"), (["--precision", "f8", self.models], "precision"),
                                 (["--cors-origins", "foo", self.models], "'foo' is no origin"), (["--cors-origins", "https://a.example, https://b.example/", self.models], "'https://b.example/' is no origin"),
                                 (["--cors-origins", "*", self.models], "'*' is no origin"), (["--plan-cache", __file__, self.models], "plan_cache: '%s' is no folder that can be used (Not a directory)" % __file__),
                                 (["--plan-cache", "/nowhere/at/all", self.models], "plan_cache"), (["--cors-origins", "https://a:b@c.example", self.models], "is no origin")):
            code, _, err = run(*arguments)
            self.assertEqual((code, words in err), (2, True), (arguments, err))

    def test_a_switch_takes_a_value_of_its_own_or_none(self):
        self.model()
        for switch, lines in ((("--access-log", "false"), 0), (("--access-log=false",), 0), (("--access-log", "true"), 1), (("--access-log",), 1)):
            with daemon.Daemon(self.models, *switch) as d:
                self.assertEqual(d.get("/livez").status, 200)
                d.stop()
                self.assertEqual('"route":"/livez"' in d.errors(), bool(lines), switch)

    def test_flag_over_environment_over_file_over_default(self):
        self.model()
        path = self.file('{\n  // one for all\n  "request_timeout_ms": 1000, "max_instances": 3,\n  "max_questions": 4, "access_log": true\n}\n')
        with daemon.Daemon(self.models, "--config", path, "--max-questions", "2", environment={"WHYNOT_MAX_INSTANCES": "2",
                                                                                             "WHYNOT_MAX_QUESTIONS": "3"}) as d:
            image = {"b64": daemon.b64(picture(1))}
            self.assertIn("1 to 2", d.ask({"instances": [{"image": image}] * 3}).json["detail"])
            self.assertEqual(d.explain(picture(1), "?why_not=auto:2").status, 200)
            for query, field in (("?why_not=auto:3", "/why_not"), ("?why_not=1&why_not=2&why_not=3", "/why_not"), ("?maps=contrast,target,rival", "/maps"), ("?evidence=mask", "/evidence")):
                a = d.explain(picture(1), query)
                self.assertEqual((a.status, [e["pointer"] for e in a.json["errors"]]), (400, [field]), a.json)
            a = d.ask({"instances": [{"image": {"b64": daemon.b64(picture(1))}, "why_not": "auto:3"}]}).json["explanations"][0]
            self.assertEqual([e["pointer"] for e in a["errors"]], ["/instances/0/why_not"])

    def test_file_is_strict(self):
        for text, words in (('{"prot": 1}', "did you mean 'port'"), ('{"port": "1"}', "whole number"), ('{"port": 1, "port": 2}', "duplicate"),
                            ("{", "line 1"), ("[]", "object"), ('{\n// x\n"host": 5}', "string"), ('{"insecure": 1}', "true or false")):
            code, _, err = run("--config", self.file(text), self.models)
            self.assertEqual((code, words in err), (2, True), (text, err))

    def test_examples_are_read(self):
        folder = os.path.join(os.path.dirname(__file__), "..", "..", "configs")
        names = [n for n in os.listdir(folder) if n.endswith(".json")]
        self.assertTrue(names)
        for name in names:
            code, _, err = run("--config", os.path.join(folder, name), "--models", os.path.join(self.folder.name, "none"))
            self.assertEqual((code, "there is no folder" in err), (3, True), (name, err))

    def test_a_labeling_model_that_is_not_there_is_warned_of(self):
        self.model()
        for name, warned in (("nope", True), ("tiny", False)):
            with daemon.Daemon(self.models, "--labeling-model", name) as d:
                self.assertEqual("labeling_model: there is no model 'nope'" in d.errors(), warned)

    def test_addresses_that_others_reach_must_be_meant(self):
        self.model()
        code, _, err = run(self.models, "--host", "0.0.0.0", "--port", "0")
        self.assertEqual((code, "--insecure" in err), (2, True), err)
        code, _, err = run(self.models, "--config", self.file('{"host": "0.0.0.0", "port": 0}'))
        self.assertEqual((code, "--insecure" in err), (2, True), err)
        code, _, err = run(self.models, "--host", "example.com", "--port", "0")
        self.assertEqual((code, "numeric" in err), (2, True), err)
        code, _, err = run(self.models, "--host", "example.com", "--port", "0", "--supervise")
        self.assertEqual((code, "numeric" in err), (2, True), err)
        with daemon.Daemon(self.models, "--host", "0.0.0.0", "--insecure", "--allow-root") as d:
            self.assertEqual(d.get("/livez").status, 200)

    def test_the_default_address_is_loopbacks_own(self):
        self.model()
        for options, reached in (((), False), (("--host", "0.0.0.0", "--insecure", "--allow-root"), True)):
            with daemon.Daemon(self.models, *options) as d:
                with socket.socket() as s:  # another address of this machine
                    self.assertEqual(s.connect_ex(("127.0.0.2", d.port)) == 0, reached, options)

    def test_the_port_can_be_taken_again_at_once(self):
        self.model()
        with daemon.Daemon(self.models) as d:
            port = d.port
            for _ in range(3):  # the daemon closes first: its side stays behind for a minute
                self.assertIn(b"alive", d.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        for _ in range(2):
            with daemon.Daemon(self.models, "--port", str(port)) as d:
                self.assertEqual(d.get("/livez").status, 200)

    def test_files_of_another_user_are_not_read(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        self.model()
        self.refused(lambda folder: os.chown(os.path.join(folder, "model.onnx"), 12345, 12345), "belongs neither to root, nor to")

    def test_port_in_use(self):
        self.model()
        with daemon.Daemon(self.models) as d:
            code, _, err = run(self.models, "--port", str(d.port))
            self.assertEqual((code, str(d.port) in err, "reuse" in err), (1, True, False), err)
            code, _, err = run(self.models, "--port", str(d.port), "--reuse-port")
            self.assertEqual((code, "only with a process of the same user that was started with --reuse-port too" in err), (1, True), err)
        with daemon.Daemon(self.models, "--reuse-port") as d, daemon.Daemon(self.models, "--port", str(d.port), "--reuse-port") as beside:
            self.assertEqual(beside.port, d.port)

    # ---- model folders ----

    def test_no_models(self):
        self.assertEqual(run(self.models)[0], 3)
        self.assertEqual(run(os.path.join(self.models, "none"))[0], 3)
        self.model(layer="nope")
        code, out, err = run(self.models, "--port", "0")
        self.assertEqual(code, 3, err)
        self.assertIn("no layer 'nope'", out)

    def refused(self, change, words):
        """One good model and one bad: the bad one is listed with its reason, the good one answers."""
        with self.subTest(words):
            bad = daemon.write_model(self.models, "bad", tiny_onnx.classifier(), daemon.LABELS, 16)
            change(bad)
            try:
                with daemon.Daemon(self.models) as d:
                    rows = {m["name"]: m for m in d.get("/v1/models").json["models"]}
                    self.assertTrue(rows["tiny"]["ready"])
                    (row,) = [m for m in rows.values() if not m["ready"]]
                    self.assertIn(words, row["reason"])
                    self.assertTrue(any(words in line for line in d.table))
                    self.assertEqual(d.explain(picture(1)).status, 200)
                    a = d.explain(picture(1), "", row["name"])
                    self.assertEqual((a.status, a.json["code"]), (503, "NOT_READY"))
                    self.assertEqual(d.get("/v1/models/%s" % row["name"]).status, 200)
                    for path in ("labels", "layers"):
                        a = d.get("/v1/models/%s/%s" % (row["name"], path))
                        self.assertTrue(a.status == 503 and words in a.json["detail"] or a.status == 200 and a.json[path], a.body)
            finally:
                subprocess.run(["rm", "-rf", bad], check=True)

    def change_manifest(self, **more):
        def change(folder):
            path = os.path.join(folder, "manifest.json")
            with open(path) as f:
                manifest = json.load(f)
            for key, value in more.items():
                part = manifest
                *parents, last = key.split("__")
                for p in parents:
                    part = part[p]
                part.pop(last, None)
                if value is not None:
                    part[last] = value
            with open(path, "w") as f:
                json.dump(manifest, f)
        return change

    def test_manifests_that_are_wrong(self):
        self.model()
        for more, words in (({"lables": "x"}, "did you mean 'labels'"), ({"input__sise": 3}, "did you mean 'size'"), ({"version": ""}, "1 to 64 bytes"),
                            ({"name": "../x"}, "letters, digits"), ({"name": 5}, "must be a string"), ({"input": None}, "'input' is missing"),
                            ({"input__size": [17, 16]}, "cannot be 17"), ({"input__size": [0, 16]}, "whole numbers"), ({"input__channels": "GRAY"}, "channels"),
                            ({"input__std": [0, 0, 0]}, "std"), ({"input__mean": [1, 2]}, "mean"), ({"input__resize": "fit"}, "must be one of"),
                            ({"input__layout": "NHWC"}, "layout"), ({"layer": "nope"}, "no layer"), ({"name": "tiny"}, "same name"),
                            ({"input__scale": 0}, "scale"), ({"input__std": []}, "empty list"), ({"input__short_side": 20}, "short-side"),
                            ({"version": "1\n2"}, "control character"), ({"model": "\x1b[2J"}, "control character"),
                            ({"model": "../tiny/model.onnx"}, "plain name"), ({"model": "/etc/passwd"}, "plain name"), ({"labels": "none.txt"}, "no file"),
                            ({"labels": "sub/../labels.txt"}, ""), ({"samples": [{"file": 1}]}, "must be a string"), ({"output": {"name": "x"}}, "")):
            if more == {"name": "tiny"}:
                continue  # its row hides behind the good one's name
            self.refused(self.change_manifest(**more), words)

    def test_two_models_of_one_name(self):
        self.model()
        self.change_manifest(name="tiny")(self.model("zz"))
        with daemon.Daemon(self.models) as d:
            self.assertEqual([m["ready"] for m in d.get("/v1/models").json["models"]], [True, False])
            self.assertEqual(d.explain(picture(1)).status, 200)

    def test_a_mark_of_byte_order_is_no_part_of_a_label(self):
        path = os.path.join(self.model(), "labels.txt")
        with open(path, "rb") as f:
            labels = f.read()
        with open(path, "wb") as f:
            f.write(b"\xef\xbb\xbf" + labels)
        with daemon.Daemon(self.models) as d:
            self.assertEqual(d.get("/v1/models/tiny/labels").json["labels"][0]["label"], daemon.LABELS[0])

    def test_memory_is_each_models_own(self):
        self.model()
        self.change_manifest(name="twin")(self.model("twin"))
        with daemon.Daemon(self.models) as d:
            bytes_of = [d.metric('whynot_model_bytes{model="%s",version="1"}' % name) for name in ("tiny", "twin")]
        self.assertGreater(bytes_of[0], 0)
        self.assertEqual(bytes_of[0], bytes_of[1])

    def test_files_that_are_wrong(self):
        self.model()

        def link(folder):
            os.rename(os.path.join(folder, "model.onnx"), os.path.join(self.folder.name, "elsewhere.onnx"))
            os.symlink(os.path.join(self.folder.name, "elsewhere.onnx"), os.path.join(folder, "model.onnx"))

        def write(name, data):
            def change(folder):
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(data)
            return change

        def pipe(folder):
            os.unlink(os.path.join(folder, "labels.txt"))
            os.mkfifo(os.path.join(folder, "labels.txt"))
        self.refused(link, "plain name")
        self.refused(pipe, "not a regular file")
        self.refused(lambda f: os.unlink(os.path.join(f, "model.onnx")), "no file model.onnx")
        self.refused(write("model.onnx", tiny_onnx.classifier()[:-100]), "")
        self.refused(write("model.onnx", b""), "")
        self.refused(write("labels.txt", b"a\nb\n"), "2 lines and the network 12 classes")
        self.refused(write("labels.txt", b"a\x1b[2J\n" * 12), "control characters")
        self.refused(write("labels.txt", b"\xff\n" * 12), "UTF-8")
        self.refused(write("manifest.json", b"{"), "line 1")

    def test_weights_that_are_not_finite(self):
        """An activation would hide them: the larger of 0 and no number is 0, and the answers would look as any others."""
        self.model()

        def spoil(name, value):
            def change(folder):
                with open(os.path.join(folder, "model.onnx"), "wb") as f:
                    f.write(tiny_onnx.classifier(first={name: value}))
            return change
        for name in ("w0", "b1", "fc", "fb"):
            self.refused(spoil(name, float("nan")), "'%s' has elements that are no numbers" % name)
        for name in ("w0", "fc"):
            self.refused(spoil(name, float("-inf")), "'%s' has infinite elements" % name)

    def test_operator_that_is_not_there_is_named(self):
        self.model()
        nodes = [tiny_onnx.node("Flatten", ["image"], "flat"), tiny_onnx.node("Bernoulli", ["flat"], "logits")]
        onnx = tiny_onnx.model(nodes, [], [("image", ["N", 3, 2, 2])], [("logits", ["N", 12])])
        daemon.write_model(self.models, "odd", onnx, daemon.LABELS, 2)
        with daemon.Daemon(self.models) as d:
            (row,) = [m for m in d.get("/v1/models").json["models"] if not m["ready"]]
            self.assertIn("Bernoulli", row["reason"])

    def test_network_without_a_convolution_still_answers(self):
        weights = tiny_onnx.tensor("w", [12, 12], [0.01 * (i % 17) - 0.08 for i in range(144)])
        nodes = [tiny_onnx.node("Flatten", ["image"], "flat"), tiny_onnx.node("MatMul", ["flat", "w"], "logits")]
        onnx = tiny_onnx.model(nodes, [weights], [("image", ["N", 3, 2, 2])], [("logits", ["N", 12])])
        daemon.write_model(self.models, "flat", onnx, daemon.LABELS, 2)
        with daemon.Daemon(self.models) as d:
            self.assertEqual(d.explain(picture(1), "?method=gradient", "flat").status, 200)
            self.assertIn(d.explain(picture(1), "", "flat").status, (200, 404))
            for path in ("", "/layers", "/labels"):
                self.assertEqual(d.get("/v1/models/flat" + path).status, 200)

    def test_preprocessing_profiles(self):
        self.model("noaa", input={"size": [16, 16], "resize": "squash-noaa"})
        self.model("short", input={"resize": "short-side", "short_side": 20, "crop": [16, 16], "channels": "BGR"})
        self.model("exact", input={"resize": "none", "size": [16, 16], "scale": 1.0})
        with daemon.Daemon(self.models) as d:
            a = d.explain(picture(1, 40, 30), "", "short").json
            self.assertEqual((a["image"]["resized"], a["image"]["crop"]), ([26, 20], [5, 2, 16, 16]))
            self.assertEqual(d.explain(picture(1), "", "noaa").status, 200)
            self.assertEqual(d.explain(picture(1, 16, 16), "", "exact").status, 200)
            p = d.explain(picture(1, 17, 16), "", "exact")
            self.assertEqual((p.status, p.json["code"]), (400, "BAD_REQUEST"))
            hashes = {d.get("/v1/models/" + m).json["input"]["preprocess_hash"] for m in ("noaa", "short", "exact")}
            self.assertEqual(len(hashes), 3)

    def test_areas_are_those_of_the_pictures_own_colours_whatever_order_the_network_reads_them_in(self):
        """A network that takes red for blue has one map in either order."""
        plane = [[0.01 * ((7 * i + 13 * k) % 31) - 0.15 for k in range(12)] for i in range(256)]
        green = [[0.01 * ((5 * i + 11 * k) % 29) - 0.14 for k in range(12)] for i in range(256)]
        weights = tiny_onnx.tensor("w", [768, 12], [v for rows in (plane, green, plane) for row in rows for v in row])
        nodes = [tiny_onnx.node("Flatten", ["image"], "flat"), tiny_onnx.node("MatMul", ["flat", "w"], "logits")]
        onnx = tiny_onnx.model(nodes, [weights], [("image", ["N", 3, 16, 16])], [("logits", ["N", 12])])
        for order in ("RGB", "BGR"):
            daemon.write_model(self.models, order.lower(), onnx, daemon.LABELS, 16, input={"size": [16, 16], "channels": order, "mean": [0.4, 0.5, 0.4], "std": [0.2, 0.2, 0.2]})
        colours = daemon.png(16, 16, lambda x, y: [[255, 40, 40], [40, 40, 200], [40, 90, 40]][(x // 3 + y // 5) % 3])
        with daemon.Daemon(self.models) as d:
            maps = [asking.raw_map(d.explain(colours, "?target=1&method=lime&superpixels=20&perturbations=60&outputs=raw", order.lower()).json["maps"][0]) for order in ("RGB", "BGR")]
        self.assertGreater(max(map(abs, maps[0])), 0)
        for a, b in zip(*maps):
            self.assertAlmostEqual(a, b, delta=1e-4 * max(map(abs, maps[0])))

    def test_what_lies_beside_the_crop_moves_a_map_and_changes_nothing_else(self):
        """The same middle in a wider picture: its map has the same range, box and strongest pixels, and its peak lies in the same place of the crop."""
        def wide(margin):
            return daemon.png(20 + 2 * margin, 20, lambda x, y: [(37 * (x - margin) + 11 * y) % 251, 5 * (x - margin) ** 2 % 256, (y * y + 3 * (x - margin)) % 256])

        def strongest(m, x0):
            """The pixels of rle, (x, y), of pictures that are 20 high."""
            ends = list(itertools.accumulate(m["rle"]["counts"]))
            return [(k // 20 - x0, k % 20) for start, end in zip(ends[::2], ends[1::2]) for k in range(start, end)]
        self.model("short", input={"resize": "short-side", "short_side": 20, "crop": [16, 16], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]})
        with daemon.Daemon(self.models) as d:
            for how in ("", "&normalize=minmax", "&normalize=minmax&relu=true"):
                query, first = "?method=gradient&target=3&outputs=heatmap,bbox,raw,rle" + how, None
                for margin in (0, 30, 400):
                    a = d.explain(wide(margin), query, "short").json
                    (m,), (x0, y0) = a["maps"], a["image"]["crop"][:2]
                    self.assertEqual((a["image"]["resized"], x0, y0), ([20 + 2 * margin, 20], margin + 2, 2))
                    found = [m["raw"], m["range"], [m["peak"][0] - x0, m["peak"][1] - y0], [m["bbox"][0] - x0] + m["bbox"][1:], strongest(m, x0)]
                    first = first or found
                    self.assertEqual(found, first, (how, margin))
                (m,) = d.explain(wide(400), query + "&size=input", "short").json["maps"]
                self.assertEqual([m["raw"], m["range"], m["peak"]], first[:3], how)

    def test_bundled_models_know_their_samples(self):
        folder = os.path.join(os.path.dirname(__file__), "..", "..", "models")
        with daemon.Daemon(folder) as d:
            seen = 0
            for row in d.get("/v1/models").json["models"]:
                self.assertTrue(row["ready"], row)
                for sample in d.get("/v1/models/" + row["name"]).json["samples"]:
                    with open(os.path.join(folder, row["name"], sample["file"]), "rb") as f:
                        a = d.request("POST", "/v1/explain", json.dumps({"model": row["name"], "image": {"b64": daemon.b64(f.read())},
                                                                         "why_not": sample["why_not"]}), {"Content-Type": "application/json"})
                    self.assertEqual(a.status, 200, a.body[:300])
                    seen += a.json["target"]["label"] == sample["label"]
            self.assertGreater(seen, 0)


if __name__ == "__main__":
    unittest.main()
