"""The daemon as a machine learning backend of Label Studio: what it refuses, and that it does so for one task alone."""
import socket
import unittest

from studio import Case, daemon, labeling, task, uri
from daemon import b64, picture


class Refusals(Case):
    OPTIONS = ("--labeling-model", "tiny")

    def test_a_bad_task_fails_alone(self):
        good = task(uri(picture(1)))
        bad = [(task("data:image/png," + b64(picture(1))), 422), (task("data:image/png;base64,!!!!"), 422), (task(uri(b"GIF89a....")), 415), (task(uri(picture(1)[:60])), 422),
               (task(""), 400), (task(None), 400), (task(5), 400), (task(["x"]), 400), (task({"b64": 5, "x": 1}), None), (task({"url": "http://x"}), 422), ({}, 400), ([], 400), (3, 400),
               (None, 400), ({"data": []}, 400), ({"data": {}}, 400), (task("data:7"), 422), (task("\x01"), 400), (task("data:"), 422), (task("a/b.png"), 400)]
        for one, status in bad:
            a = self.post("/predict", {"tasks": [good, one, good], "label_config": labeling()})
            if status is None:
                self.assertEqual(a.status, 400)
                continue
            self.assertEqual(a.status, 200, a.body[:300])
            first, failed, last = a.json["results"]
            self.check_prediction(failed)
            self.assertEqual((first, first), (last, self.predict([good])[0]))
            self.assertEqual((failed["problem"]["status"], failed["result"], failed["score"]), (status, [], None), one)
            self.assertNotEqual(failed["model_version"], first["model_version"])  # or Label Studio would not ask again

    def test_malformed_annotations_do_no_harm(self):
        plain = self.predict([task(uri(picture(1)))])[0]
        for annotations in (None, 3, "x", {}, [None], [3], [{}], [{"result": None}], [{"result": "x"}], [{"result": [None, 3, [], {}]}], [{"result": [{"type": "choices"}]}],
                            [{"result": [{"type": "choices", "from_name": "label", "value": []}]}], [{"result": [{"type": "choices", "from_name": "label", "value": {"choices": "stop"}}]}],
                            [{"result": [{"type": "choices", "from_name": "label", "value": {"choices": []}}]}], [{"result": [{"type": "choices", "from_name": "label", "value": {"choices": [3]}}]}],
                            [{"result": [{"type": "choices", "from_name": 3, "value": {"choices": [None]}}]}]):
            self.assertEqual(self.predict([dict(task(uri(picture(1))), annotations=annotations)])[0], plain, annotations)

    def test_malformed_bodies_are_refused(self):
        good = {"tasks": [task(uri(picture(1)))], "label_config": labeling()}
        bad = [{}, [], "{", "", "null", dict(good, tasks=[]), dict(good, tasks={}), dict(good, tasks="x"), dict(good, label_config=""), dict(good, label_config=3), dict(good, label_config="<View>"),
               dict(good, label_config="<View/>"), dict(good, label_config="<View><Image name='a' value='$b'/></View>"), dict(good, label_config=labeling().replace("$image", "image")),
               dict(good, tasks=good["tasks"] * 65), dict(good, label_config="<View>" + "<a/>" * 80000 + "</View>")]
        for body in bad:
            a = self.post("/predict", body)
            self.assertEqual((a.status, a.headers["Content-Type"]), (400, "application/problem+json"), a.body[:300])
        self.assertIn("--max-instances", self.post("/predict", dict(good, tasks=good["tasks"] * 65)).json["detail"])
        self.assertEqual(self.post("/predict?x=1", good).status, 400)
        for path in ("/predict", "/setup", "/webhook"):
            self.assertEqual(self.post(path, good, {"Content-Type": "text/plain"}).status, 415)
            self.assertEqual(self.d.get(path).status, 405)
        self.assertEqual(self.predict(good["tasks"])[0]["notes"], [])

    def test_a_configuration_is_bounded_in_depth_tags_and_bytes(self):
        inside = labeling()[len("<View>"):-len("</View>")]
        self.assertTrue(labeling() == "<View>" + inside + "</View>" and inside.count("<View") == 0)
        for most, more, words in (("<a>" * 60 + "</a>" * 60, "<a>" * 64 + "</a>" * 64, "64 deep"), ("<a/>" * 16300, "<a/>" * 16400, "16384 tags"),
                                  (" " * (262000 - len(labeling().encode())), " " * 262144, "262144 bytes")):
            for more_of_it, status in ((most, 200), (more, 400)):
                a = self.post("/predict", {"tasks": [task(uri(picture(1)))], "label_config": "<View>" + more_of_it + inside + "</View>"})
                self.assertEqual(a.status, status, (words, a.body[:300]))
            self.assertIn(words, a.json["detail"])

    def test_addresses_are_never_fetched(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            s.settimeout(0.2)
            port = s.getsockname()[1]
            for address in ("http://127.0.0.1:%d/a.png" % port, "//127.0.0.1:%d/a.png" % port, "https://localhost:%d/a.png" % port, "ftp://127.0.0.1:%d/" % port, "file:///etc/passwd", "s3://bucket/a.png"):
                p = self.predict([task(address)])[0]
                self.assertEqual(p["problem"]["status"], 400)
                for word in (address, "fetches nothing", "data URI", "--labeling-folder"):
                    self.assertIn(word, p["problem"]["detail"])
            with self.assertRaises(TimeoutError):
                s.accept()

    def test_with_several_models_one_must_be_named(self):
        with daemon.Daemon(self.models) as d:
            for path, body in (("/setup", {"schema": ""}), ("/predict", {"tasks": [task(uri(picture(1)))], "label_config": labeling()})):
                a = self.post(path, body, d=d)
                self.assertEqual(a.status, 400)
                self.assertIn("--labeling-model", a.json["detail"])


if __name__ == "__main__":
    unittest.main()
