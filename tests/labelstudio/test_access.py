"""The daemon as a machine learning backend of Label Studio: which files it reads, and whom it answers."""
import base64
import json
import os
import unittest

from studio import JSON, Case, daemon, labeling, task, uri
from daemon import picture
from large import another_is_answered_beside, large


class Folder(Case):
    @classmethod
    def prepare(cls):
        cls.pictures = os.path.join(cls.folder.name, "media")
        os.makedirs(os.path.join(cls.pictures, "upload", "3"))
        cls.write("upload/3/ab-sign.png", picture(1))
        cls.write("two words+.png", picture(2))
        cls.write("notes.txt", b"no picture")
        with open(os.path.join(cls.folder.name, "secret.png"), "wb") as f:
            f.write(picture(3))
        os.symlink(os.path.join(cls.folder.name, "secret.png"), os.path.join(cls.pictures, "link.png"))
        os.symlink(cls.folder.name, os.path.join(cls.pictures, "up"))
        os.mkfifo(os.path.join(cls.pictures, "pipe.png"))
        cls.write("twice.png", picture(4))
        os.link(os.path.join(cls.pictures, "twice.png"), os.path.join(cls.folder.name, "elsewhere.png"))
        cls.OPTIONS = ("--labeling-model", "tiny", "--labeling-folder", cls.pictures)

    @classmethod
    def write(cls, name, data):
        with open(os.path.join(cls.pictures, name), "wb") as f:
            f.write(data)

    def test_a_path_is_read_beneath_the_folder(self):
        for paths, seed in ((("upload/3/ab-sign.png", "/data/upload/3/ab-sign.png", "/data/local-files/?d=upload/3/ab-sign.png", "/data/local-files/?d=upload%2F3%2Fab-sign.png"), 1),
                            (("two words+.png", "/data/local-files/?d=two%20words%2B.png", "/data/local-files/?d=two+words%2b.png", "/data/two%20words+.png"), 2)):
            wanted = self.predict([task(uri(picture(seed)))])[0]
            for p in self.predict([task(path) for path in paths]):
                self.assertEqual(p, wanted)

    def test_nothing_outside_the_folder_is_read(self):
        for path in ("../secret.png", "/etc/passwd", "upload/../../secret.png", "upload/3/../../../secret.png", "./two words+.png", "upload//3/ab-sign.png", "link.png", "up/secret.png",
                     "/data/../secret.png", "/data//etc/passwd", "/data/%2e%2e/secret.png", "/data/local-files/?d=../secret.png", "/data/local-files/?d=%2Fetc%2Fpasswd",
                     "/data/local-files/?d=%2e%2e%2fsecret.png", "/data/local-files/?d=a%00b", "/data/local-files/?d=%zz", "/data/local-files/?d=", "upload", "upload/", "pipe.png", "twice.png", "..", ".",
                     "x" * 2000):
            p = self.predict([task(path)])[0]
            self.assertEqual((p["result"], p["problem"]["status"]), ([], 400), path)
        for path in ("x" * 300 + "/../../secret.png", "upload/" + "x" * 256 + "/../../secret.png"):  # refused here, whatever the kernel thinks of such names
            self.assertIn("plain name", self.predict([task(path)])[0]["problem"]["detail"], path)
        for path in ("upload/none.png", "a/" * 400 + "b"):
            self.assertEqual(self.predict([task(path)])[0]["problem"]["status"], 404)
        self.assertEqual(self.predict([task("notes.txt")])[0]["problem"]["status"], 415)

    def test_a_file_that_changes_is_read_again(self):
        self.write("new.png", picture(5))
        first = self.predict([task("new.png")])[0]
        self.write("new.png", picture(6))
        second = self.predict([task("new.png")])[0]
        self.assertNotEqual(first, second)
        self.assertEqual(second, self.predict([task(uri(picture(6)))])[0])

    def test_others_are_answered_while_large_files_are_decoded(self):
        for i in range(3):
            self.write("large%d.png" % i, large(40 * i + 10))
        with daemon.Daemon(self.models, *self.OPTIONS, "--http-threads", "2", "--request-timeout-ms", "300000") as d:
            def send(i):
                c = d.connect()
                c.request("POST", "/predict", json.dumps({"tasks": [task("large%d.png" % i)], "label_config": labeling()}), JSON)
                return c
            self.assertTrue(another_is_answered_beside(d, send), "while three large pictures were waited for nobody else was answered")

    def test_a_folder_that_is_none_is_said_at_the_start(self):
        d = daemon.Daemon(self.models, "--labeling-folder", "/nowhere", wait=False)
        self.assertEqual(d.process.wait(60), 2)
        d.process.stdout.close()
        self.assertIn("labeling_folder", d.errors())


class Access(Case):
    TOKEN = "annotator-0123456789abcdef"

    @classmethod
    def prepare(cls):
        path = os.path.join(cls.folder.name, "keys")
        with open(path, "w") as f:
            f.write("studio explain %s\nreader - reader-0123456789abcdef\n" % cls.TOKEN)
        os.chmod(path, 0o600)
        cls.OPTIONS = ("--labeling-model", "tiny", "--keys", path)

    def basic(self, user, token, code=None):
        return {"Authorization": "Basic " + (code or base64.b64encode(("%s:%s" % (user, token)).encode()).decode())}

    def test_the_token_is_the_password_of_basic_or_behind_bearer(self):
        body = {"tasks": [task(uri(picture(1)))], "label_config": labeling()}
        self.assertEqual(self.d.get("/health").status, 200)
        for headers, status in (({}, 401), ({"Authorization": "Bearer " + self.TOKEN}, 200), (self.basic("studio", self.TOKEN), 200), (self.basic("anybody", self.TOKEN), 200), (self.basic("", self.TOKEN), 200),
                                (self.basic("studio", "reader-0123456789abcdef"), 403), (self.basic("studio", "wrong-0123456789abcdef"), 401), (self.basic(self.TOKEN, ""), 401),
                                (self.basic("studio", self.TOKEN + ":x"), 401), (self.basic("", "", base64.b64encode(self.TOKEN.encode()).decode()), 401), (self.basic("", "", "!!!"), 401), (self.basic("", "", "===="), 401),
                                (self.basic("x" * 2000, self.TOKEN), 401), (self.basic("studio", self.TOKEN + "\0"), 401), ({"Authorization": "Basic "}, 401),
                                ({"Authorization": "Basic"}, 401), ({"Authorization": "Token " + self.TOKEN}, 401)):
            for path in ("/predict", "/setup"):
                a = self.post(path, body, dict(JSON, **headers))
                self.assertEqual(a.status, status, (headers, a.body[:200]))
        self.assertNotIn(self.TOKEN, self.d.errors())


if __name__ == "__main__":
    unittest.main()
