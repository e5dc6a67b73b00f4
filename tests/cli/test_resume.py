"""--resume goes on with the answers of one network only: not with another's under the same name, nor with one of other numbers of the same picture."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from command import clean_environment, daemon, lines_of, whynot
import tiny_onnx

PICTURES = 30
CHANGES = {"network": {"seed": 3}, "preprocessing": {"input": {"size": [16, 16], "mean": [0.4, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}, "version": {"version": "2"}}


class Resume(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.models, self.pictures, self.file = (os.path.join(self.temporary.name, n) for n in ("models", "pictures", "lines.jsonl"))
        os.mkdir(self.models)
        os.makedirs(self.pictures)
        for i in range(PICTURES):
            with open(os.path.join(self.pictures, "%02d.png" % i), "wb") as f:
                f.write(daemon.picture(i % 5))
        with open(os.path.join(self.pictures, "labels.csv"), "w") as f:
            f.write("image,label\n" + "".join("%02d.png,%d\n" % (i, i % 12) for i in range(PICTURES)))
        self.put_model()

    def put_model(self, seed=1, **more):
        shutil.rmtree(os.path.join(self.models, "tiny"), ignore_errors=True)
        daemon.write_model(self.models, "tiny", tiny_onnx.classifier(seed=seed), daemon.LABELS, 16, **more)

    def test_a_version_that_is_asked_for_is_the_one_that_answers(self):
        folder = daemon.write_model(self.models, "two", tiny_onnx.classifier(seed=1), daemon.LABELS, 16)
        for version, seed in (("1", 1), ("2", 3)):
            os.mkdir(os.path.join(folder, version))
            with open(os.path.join(folder, version, "model.onnx"), "wb") as f:
                f.write(tiny_onnx.classifier(seed=seed))
        with open(os.path.join(folder, "manifest.json")) as f:
            manifest = json.load(f)
        del manifest["version"]
        with open(os.path.join(folder, "manifest.json"), "w") as f:
            json.dump(manifest, f)
        os.remove(os.path.join(folder, "model.onnx"))
        one = os.path.join(self.pictures, "00.png")
        for named, version in ((("--version", "1"), "1"), (("--version", "2"), "2"), ((), "2")):
            r = whynot("explain", one, "--models", self.models, "-m", "two", *named, "--output", self.file, "--force")
            self.assertEqual(r.code, 0, r.err)
            self.assertEqual([json.loads(line)["model"]["version"] for line in self.read().splitlines()], [version])

    def test_lines_that_nobody_answered_are_no_networks(self):
        broken = os.path.join(self.temporary.name, "broken.png")
        with open(broken, "wb") as f:
            f.write(b"no picture")
        words = ["explain", broken, os.path.join(self.pictures, "00.png"), "--models", self.models, "-m", "tiny", "--output", self.file]
        self.assertEqual(whynot(*words[:2], *words[3:]).code, 1)
        self.put_model(seed=3)
        r = whynot(*words, "--resume")
        self.assertEqual((r.code, json.loads(self.read().splitlines()[-1])["status"]), (0, 200), r.err)

    def words(self, command):
        data = os.path.join(self.pictures, "*.png") if command == "explain" else self.pictures
        return [command, data, "-m", "tiny", "--output", self.file, *(["--metric", "confidence", "--method", "gradcam", "--contrast", "logit"] if command == "evaluate" else [])]

    def read(self):
        with open(self.file) as f:
            return f.read()

    def cut(self, n, change=lambda line: line):
        lines = [json.dumps(change(json.loads(line))) + "\n" for line in self.read().splitlines()[:n]]
        with open(self.file, "w") as f:
            f.write("".join(lines))
        return self.read()

    def test_lines_of_another_network_version_or_preprocessing_are_refused(self):
        for command in ("explain", "audit", "evaluate"):
            for what, change in CHANGES.items():
                with self.subTest(command=command, what=what):
                    self.put_model()
                    words = [*self.words(command), "--models", self.models]
                    self.assertEqual(whynot(*words, "--force").code, 0)
                    before = self.cut(10)
                    self.put_model(**change)
                    r = whynot(*words, "--resume")
                    self.assertEqual((r.code, self.read(), r.out), (2, before, ""), r.err)
                    self.assertIn("another question" if command == "evaluate" else "another model", r.err)
                    if command != "evaluate":
                        self.assertIn("(now %s " % what, r.err)
                    self.put_model()
                    self.assertEqual(whynot(*words, "--resume").code, 0)
                    self.assertEqual(lines_of(self.file), PICTURES)

    def test_lines_say_which_network_answered_and_those_that_do_not_are_refused_as_of_an_older_whynot(self):
        for command in ("explain", "audit"):
            words = [*self.words(command), "--models", self.models]
            self.assertEqual(whynot(*words, "--force").code, 0)
            with daemon.Daemon(self.models, "--access-log=false") as d:
                model = d.get("/v1/models/tiny").json
            want = {"name": "tiny", "version": "1", "sha256": model["sha256"], "preprocess_hash": model["input"]["preprocess_hash"]}
            self.assertEqual([json.loads(line)["model"] for line in self.read().splitlines()], [want] * PICTURES)
            before = self.cut(10, lambda line: {k: v for k, v in line.items() if k != "model"})
            r = whynot(*words, "--resume")
            self.assertEqual((r.code, self.read()), (2, before))
            self.assertIn("line 1 does not say which network answered", r.err)
            self.assertIn("--force", r.err)

    def test_a_daemon_that_loads_another_network_meanwhile_ends_the_job(self):
        for command in ("explain", "audit"):
            for more in (["--output", self.file, "--force"], []):
                with self.subTest(command=command, more=more):
                    self.change_while_it_runs([*self.words(command)[:4], *more], bool(more))

    def change_while_it_runs(self, words, to_file):
        self.put_model()
        pipe = os.path.join(self.pictures, "15.png")  # where the job waits while the daemon changes
        os.remove(pipe)
        os.mkfifo(pipe)
        with daemon.Daemon(self.models, "--access-log=false") as d:
            first = d.get("/v1/models/tiny").json["sha256"]
            if words[0] == "explain":
                words = ["explain", *(os.path.join(self.pictures, "%02d.png" % i) for i in range(PICTURES)), *words[2:]]
            p = subprocess.Popen([os.environ["WHYNOT"], *words, "--jobs", "1", "--server", "http://127.0.0.1:%d" % d.port], env=clean_environment(),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            f = open(pipe, "wb")  # once the job reads it
            self.put_model(seed=3)
            d.process.send_signal(signal.SIGHUP)
            daemon.wait_until(lambda: d.get("/v1/models/tiny").json.get("sha256") not in (None, first))
            with f:
                f.write(daemon.picture(1))
            out, err = (text.decode() for text in p.communicate(timeout=60))
        os.remove(pipe)
        with open(pipe, "wb") as f:
            f.write(daemon.picture(1))
        self.assertEqual(p.returncode, 5, err)
        self.assertIn("the model 'tiny' was replaced while the job ran (network ", err)
        self.assertIn("15 of %d pictures have the former one's answer" % PICTURES, err)
        self.assertEqual(err.count("\n"), 1, err)
        if to_file:
            self.assertEqual({json.loads(line)["model"]["sha256"] for line in self.read().splitlines()}, {first})
            self.assertEqual(lines_of(self.file), 15)
        else:
            self.assertEqual(len(out.splitlines()), 15 if words[0] == "explain" else 0)  # an audit's are ranked when all are there


if __name__ == "__main__":
    unittest.main()
