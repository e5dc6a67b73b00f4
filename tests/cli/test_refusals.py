"""Words, files and folders that commands do not take: each is refused by an exit code and a word about what is wrong, and nothing is made."""
import itertools
import json
import os
import re
import subprocess
import tempfile
import unittest

from command import clean_environment, daemon, on_terminal, whynot
import tiny_onnx

GOOD = {"size": 16, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.models = cls.path("models")
        daemon.tiny_models(cls.models)
        cls.net = os.path.join(cls.models, "tiny", "model.onnx")
        cls.labels = os.path.join(cls.models, "tiny", "labels.txt")
        cls.write("data/stop/1.png", daemon.picture(1))
        cls.write("data/yield/2.png", daemon.picture(2))
        cls.numbers = itertools.count()

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.temporary.name, name)

    @classmethod
    def write(cls, name, data):
        os.makedirs(os.path.dirname(cls.path(name)), exist_ok=True)
        with open(cls.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode())
        return cls.path(name)

    def everything(self):
        """Every file and folder below, and how large it is."""
        return {os.path.join(folder, name): os.lstat(os.path.join(folder, name)).st_size for folder, folders, files in os.walk(self.temporary.name) for name in files + folders}

    def refused(self, code, word, *words):
        with self.subTest(words=words[-4:]):
            there = self.everything()
            r = whynot(*words, cwd=self.temporary.name)
            self.assertEqual(r.code, code, (r.out[-300:], r.err[-500:]))
            self.assertIn(word, r.err)
            self.assertEqual(self.everything(), there)

    def imported(self, words, **wanted):
        """The manifest's input that such words lead to."""
        r = whynot("import", self.net, "--dry-run", *words)
        self.assertEqual(r.code, 0, r.err)
        made = json.loads(r.out)["input"]
        self.assertEqual({k: made.get(k) for k in wanted}, wanted)
        return r

    # ---- classes ----

    def test_a_name_that_several_classes_have_is_refused_with_their_numbers(self):
        models = self.path("twins")
        daemon.write_model(models, "twins", tiny_onnx.classifier(seed=2, classes=6), ["crane", "Stop", "stop", "crane", "Yield", "YIELD"], 16)
        self.write("twins.png", daemon.picture(1))
        own = ["-m", "twins", "--models", models]
        for word, index in (("stop", 2), ("Stop", 1), ("crane (3)", 3), ("CRANE (0)", 0), ("YIELD", 5), ("3", 3)):
            r = whynot("explain", self.path("twins.png"), "--target", word, "--json", *own)
            self.assertEqual(json.loads(r.out)["target"]["index"], index, word)
            for name, text in (("twins.csv", 'image,label\ntwins.png,"%s"\n' % word), ("twins.jsonl", json.dumps({"image": "twins.png", "label": word}))):
                r = whynot("audit", self.write(name, text), *own)
                self.assertEqual(json.loads(r.out)["label"]["index"], index, (word, r.err))
        for word, where in (("crane", "0 and 3"), ("Crane", "0 and 3"), ("STOP", "1 and 2"), ("yield", "4 and 5")):
            for option in ("--target", "--why-not"):
                self.refused(2, "'%s' is the label of the classes %s of the model twins: say the number" % (word, where), "explain", self.path("twins.png"), option, word, *own)
            for command in ("audit", "evaluate"):
                for name, text in (("twins.csv", 'image,label\ntwins.png,"%s"\n' % word), ("twins.jsonl", json.dumps({"image": "twins.png", "label": word}))):
                    self.refused(2, "'%s' is that of the classes %s of twins: say the number" % (word, where), command, self.write(name, text), *own)
                self.write("folders-%s/%s/1.png" % (word, word), daemon.picture(1))
                self.refused(2, "'%s' is called like the classes %s of twins: add the number, as in '%s (%s)'" % (word, where, word, where[0]),
                             command, self.path("folders-" + word), *own)
        self.refused(2, "no class 'crane (1)'", "explain", self.path("twins.png"), "--target", "crane (1)", *own)
        self.write("numbered/crane (3)/1.png", daemon.picture(1))
        r = whynot("audit", self.path("numbered"), *own)
        self.assertEqual(json.loads(r.out)["label"]["index"], 3, r.err)

    def digits(self):
        """A model with a label of digits that is not its index, and what commands need to find it and a picture."""
        models = self.path("digits")
        if not os.path.exists(models):
            daemon.write_model(models, "digits", tiny_onnx.classifier(seed=3, classes=7), ["a", "b", "5", "hen", "c", "d", "09"], 16)
        return self.write("digits.png", daemon.picture(1)), ["-m", "digits", "--models", models]

    def test_digits_are_an_index_and_who_means_the_label_is_told_how_to_say_it(self):
        picture, own = self.digits()
        misread = "5 is an index here, the class 'd'; the one that is called 5 is '5 (2)'"
        for option, key in (("-w", "target"), ("-q", "why_not")):
            for word, index, warnings in (("5", 5, [misread]), ("5 (2)", 2, []), ("2", 2, []), ("d", 5, [])):
                a = json.loads(whynot("explain", picture, option, word, "--contrast", "pair", "--json", *own).out)
                named = a[key] if key == "target" else a[key][0]
                self.assertEqual((named["index"], a["warnings"]), (index, warnings), (option, word))
        self.assertIn(misread, whynot("explain", picture, "-w", "5", "--text", *own).out)
        self.refused(2, "9 is not a class: the model has classes 0 to 6; the one that is called so is '09 (6)'", "explain", picture, "-w", "09", *own)
        with daemon.Daemon(self.path("digits")) as d:
            for target, index in (("5", 2), (5, 5)):  # in JSON a string is a label first, and a number says that it is an index
                a = d.ask({"image": {"b64": daemon.b64(daemon.picture(1))}, "target": target}, "/v1/explain").json
                self.assertEqual((a["target"]["index"], a["warnings"]), (index, []))
        text = " ".join(whynot("explain", "--help").out.split())
        for words in ("Digits are an index, also where a label is spelled so", "-w '5 (2)', the label with its number", "several classes are said one by one, -q stop -q yield"):
            self.assertIn(words, text)

    def test_an_option_that_does_nothing_without_another_is_refused(self):
        picture, own = self.digits()
        self.refused(2, "fill goes with evidence=mask", "explain", picture, "--fill", "blur", *own)
        self.refused(2, "statistics=raw goes with why_not=all", "explain", picture, "--statistics", "raw", "-q", "hen", *own)
        self.refused(2, "rivals=N goes with why_not=all", "explain", picture, "--rivals", "2", *own)
        self.assertEqual(whynot("explain", picture, "--fill", "blur", "--evidence", "mask", *own).code, 0)

    def test_a_list_of_labels_is_refused_with_the_way_to_say_it(self):
        picture, own = self.digits()
        for words in ("0, 3", "0,hen", "hen,5", " A ,b", "a,b,c"):
            self.refused(2, "no class '%s', but each part of it is one: repeat -q for each" % words, "explain", picture, "-w", "d", "-q", words, *own)
        self.refused(2, "repeat -w for each", "explain", picture, "-w", "a, b", "--contrast", "subset", *own)
        for words in ("hen,nobody", "hen,", " ,", "hen,99"):
            r = whynot("explain", picture, "-w", "d", "-q", words, *own)
            self.assertEqual((r.code, "see /v1/models/digits/labels?q=" in r.err, "repeat" in r.err), (2, True, False), r.err)
        a = json.loads(whynot("explain", picture, "-w", "d", "-q", "a", "-q", "hen", "--json", *own).out)
        self.assertEqual([c["index"] for c in a["why_not"]], [0, 3])

    # ---- import ----

    def test_an_image_processor_that_cannot_be_followed_is_refused_with_the_key(self):
        cases = [([], "no JSON object"), (dict(GOOD, size=0), "'size'"), (dict(GOOD, size=9000), "'size'"), (dict(GOOD, size=2.5), "'size'"), (dict(GOOD, size=[16]), "'size'"),
                 (dict(GOOD, size={"height": 16}), "'size'"), (dict(GOOD, size="16"), "'size'"), (dict(GOOD, size={"shortest_edge": 0}), "'size'"),
                 (dict(GOOD, do_center_crop=True, crop_size={"height": 0, "width": 3}), "'crop_size'"),
                 (dict(GOOD, size=[16, 16], do_center_crop=True, crop_size=[17, 16]), "larger than 'size'"), (dict(GOOD, size=[16, 16], do_center_crop=True, crop_size=[16, 17]), "larger than 'size'"),
                 (dict(GOOD, image_mean=[0.5, 0.5]), "'image_mean'"), (dict(GOOD, image_mean="half"), "'image_mean'"), (dict(GOOD, image_std=[]), "'image_std'")]
        for config, word in cases:
            self.refused(2, word, "import", self.net, "--dry-run", "--preprocessor", self.write("p.json", config))
        self.refused(2, "line 1", "import", self.net, "--dry-run", "--preprocessor", self.write("p.json", "{"))
        self.refused(2, "no file", "import", self.net, "--dry-run", "--preprocessor", self.path("none.json"))

    def test_an_image_processor_that_can_be_followed_is(self):
        cases = [(dict(GOOD, do_resize=False), {"resize": "none"}), (dict(GOOD, size=[16, 16]), {"resize": "squash", "size": [16, 16]}),
                 (dict(GOOD, size=[32, 32], do_center_crop=True, crop_size=16), {"resize": "squash", "crop": [16, 16]}),
                 (dict(GOOD, size=20, do_center_crop=True), {"resize": "short-side", "short_side": 20, "crop": [16, 16]}),
                 ({"image_mean": 0.5, "image_std": 0.25}, {"mean": [0.5], "std": [0.25], "resize": "squash"}),
                 (dict(GOOD, resample=3, rescale_factor=0.5), {"scale": 0.5}), (dict(GOOD, resample=2, do_rescale=False), {"scale": 1.0})]
        for config, wanted in cases:
            r = self.imported(["--preprocessor", self.write("p.json", config)], **wanted)
            self.assertEqual("bilinearly" in r.err, config.get("resample") == 3)

    def test_flags_of_import(self):
        normal = ["--mean", "0.5", "--std", "0.25"]
        for flag, values in {"--size": ("x", "0", "16x", "16x0", "-1x16", "16x9000", "9000x16"), "--crop": ("a", "16y16"), "--mean": ("a", "1,2", "1,2,3,4", "1;2", "inf", "1,", ""), "--std": ("nan", "1,2"),
                             "--scale": ("one", "1,2,3"), "--short-side": ("0", "x", "9000"), "--resize": ("sideways",), "--channels": ("CMYK",), "--layer": ("none",), "--profile": ("none",),
                             "--labels": (self.path("none.txt"), self.write("few.txt", "a\nb"), self.write("few.json", ["a"]), self.write("no.json", {}), self.write("odd.json", {"0": "a", "2": "c"}),
                                          self.write("lines.json", ["a\nb"] * 12), self.write("bad.json", "[")), "--name": ("..", "a/b", "")}.items():
            for value in values:
                r = whynot("import", self.net, "--dry-run", *normal, flag, value)
                with self.subTest(flag=flag, value=value):
                    self.assertIn(r.code, (2, 3), r.err)
                    self.assertTrue(r.err.strip())
        self.imported(["--mean", "0.1,0.2,0.3", "--std", "1", "--size", "16", "--channels", "BGR"], mean=[0.1, 0.2, 0.3], std=[1.0], channels="BGR", size=[16, 16])
        for profile in ("center-crop", "squash", "squash-noaa", "short-448", "iqa-patch", "cem"):
            self.imported(["--profile", profile])
        self.imported(["--resize", "short-side", *normal], resize="short-side", short_side=16, crop=[16, 16])
        names = self.write("names.json", {str(i): name for i, name in enumerate(daemon.LABELS)})
        r = whynot("import", self.net, "--dry-run", *normal, "--labels", names, "--description", "d", "--input", "image", "--output-name", "logits", "--preprocessor", "none")
        self.assertEqual((r.code, json.loads(r.out)["description"], json.loads(r.out)["input"]["name"], json.loads(r.out)["output"]["name"]), (0, "d", "image", "logits"), r.err)
        self.refused(2, "mean and", "import", self.net, "--dry-run", "--preprocessor", "none")
        self.refused(2, "one ONNX file", "import")
        self.refused(5, "cannot be made", "import", self.net, *normal, "--to", self.path("no/such"))

    def test_import_asks_on_a_terminal(self):
        for typed, resize in ((b"squash\n", "squash"), (b"\n", "short-side")):
            r = on_terminal("import", self.net, "--dry-run", typed=typed)
            self.assertEqual(r.code, 0, r.out)
            self.assertIn('"resize": "%s"' % resize, r.out)
        self.assertEqual(on_terminal("import", self.net, "--dry-run", typed=b"nothing\n").code, 2)

    # ---- data sets ----

    def judged(self, data, *more):
        return whynot("evaluate", data, "-m", "tiny", "--models", self.models, "--method", "gradcam", "--contrast", "logit", "--metric", "confidence", "--json", *more)

    def test_lines_that_are_none_of_a_data_set(self):
        good = {"image": "stop/1.png"}
        cases = [("{", "no JSON"), ({"label": 1}, "no 'image'"), ({"image": 7}, "no 'image'"), ([], "no 'image'"), (dict(good, label=[1]), "'label'"), (dict(good, label="no such"), "'no such'"),
                 (dict(good, label=99), "'99'"), (dict(good, label=-1), "'-1'"), (dict(good, rival=1.5), "'rival'"), (dict(good, truth=7), "'truth'"), (dict(good, counterfactual=[]), "'counterfactual'"),
                 (dict(good, elsewhere={}), "'elsewhere'"), (dict(good, boxes=[[1, 2, 3]]), "a box is"), (dict(good, boxes=[[1, 2, 3, "4"]]), "a box is"), (dict(good, boxes=[[1, 2, 3, 4, 5]]), "a box is"),
                 (dict(good, boxes=[[9, 2, 3, 4]]), "corner"), (dict(good, boxes=[[1, 9, 3, 4]]), "corner"), (dict(good, boxes=[[-5, 2, -3, 4]]), "corner")]
        for line, word in cases:
            r = self.judged(self.write("data/d.jsonl", line))
            with self.subTest(line=line):
                self.assertEqual(r.code, 2, r.err)
                self.assertIn(word, r.err)

    def test_lines_that_say_little_or_much_are_taken(self):
        lines = [{"image": "stop/1.png", "label": None, "truth": None}, {"image": "stop/1.png", "id": "b", "label": 10, "rival": "stop", "boxes": []},
                 {"image": self.path("data/yield/2.png"), "id": "c", "label": "9", "boxes": [[0, 0, 1.5, 8], [0, 0, 24, 20]]}]
        r = self.judged(self.write("data/d.jsonl", "\ufeff" + "".join(json.dumps(x) + "\r\n" for x in lines)))
        self.assertEqual(r.code, 0, r.err)
        self.assertIn('"pictures":3', r.out.replace(" ", ""))

    def test_tables(self):
        for text, word in (("image,label\n,stop\n", "names no picture"), ("image,label\nstop/1.png,no such\n", "'no such'"), ("stop/1.png,stop,no such\n", "'no such'"), ('image\n"stop', "line 2"), ("image,label\n", "no pictures")):
            r = self.judged(self.write("data/d.csv", text))
            with self.subTest(text=text):
                self.assertEqual(r.code, 2, r.err)
                self.assertIn(word, r.err)
        for text in ("filename,class,rival\nstop/1.png,10,yield\n", "class_index,image\n10,stop/1.png\n", "stop/1.png\n", ' "stop/1.png" , "Stop" \n', "label,label,path\n1,2,stop/1.png\n"):
            r = self.judged(self.write("data/d.csv", text))
            self.assertEqual(r.code, 0, (text, r.err))

    def test_a_key_or_column_that_is_misspelt_is_named_with_the_nearest(self):
        for key, said in (("rivl", "did you mean 'rival'"), ("boxs", "did you mean 'boxes'"), ("Label", "did you mean 'label'"), ("imag", "did you mean 'image'"), ("weather", "there are: image, id, label")):
            path = self.write("data/d.jsonl", json.dumps({"image": "stop/1.png", "label": "stop"}) + "\n" + json.dumps(dict({"image": "stop/1.png"} if key != "imag" else {}, **{key: "stop"})) + "\n")
            for r in (self.judged(path), whynot("audit", path, "-m", "tiny", "--models", self.models)):
                self.assertEqual(r.code, 2, (key, r.err))
                self.assertIn("d.jsonl, line 2: there is no key '%s'; %s" % (key, said), r.err)
        for header, said in (("image,label,rivl", "the column 'rivl' is not read; did you mean 'rival'?"), ("image,lable", "'lable' is not read; did you mean 'label'?"),
                             ("class_idx,file", "'class_idx' is not read; did you mean 'class_index'?")):
            r = self.judged(self.write("data/d.csv", "%s\n%s\n" % (header, ",".join("stop/1.png" if c in ("image", "file") else "3" for c in header.split(",")))))
            self.assertEqual((r.code, r.err.count("\n")), (0, 1), r.err)
            self.assertIn("warning: %s: " % self.path("data/d.csv"), r.err)
            self.assertIn(said, r.err)
        for header in ("image,label,rival,notes", "id,title,image,label,rival,lable", "weather,image,camera"):  # others' columns
            r = self.judged(self.write("data/d.csv", "%s\n%s\n" % (header, ",".join({"image": "stop/1.png", "rival": "4"}.get(c, "3") for c in header.split(",")))))
            self.assertEqual((r.code, r.err), (0, ""))

    def test_pictures_of_parts_that_are_none(self):
        good = {"image": "stop/1.png", "label": "stop", "map": "stop/1.png", "parts": ["disc"], "background": ["tree"]}
        cases = [("7", "no JSON object"), ({}, "a line has"), (dict(good, parts=[]), "a line has"), (dict(good, map=7), "a line has"), (dict(good, label="no such"), "no class"),
                 (dict(good, parts=["p%d" % i for i in range(40)]), "more than 32"), (dict(good, without=[{"gone": "disc"}]), "list of names"), (dict(good, without=[{"gone": ["wheel"]}]), "none of"),
                 (dict(good, without=[{"gone": [7], "image": "x"}]), "none of"), (dict(good, without=[{"gone": ["disc"]}]), "no 'image'"), (dict(good, minimal=[["wheel"]]), "none of"), (dict(good, shared=[{}]), "two classes"),
                 (dict(good, shared=[{"parts": ["disc"], "class": "no such"}, {"parts": [], "class": 1}]), "no class"), (dict(good, shared=[{"class": 1}, {}]), "list of names"),
                 (dict(good, shared=[{"parts": ["disc"], "class": 1}, {"parts": ["disc"], "class": 2}]), "in common"),
                 (dict(good, minmal=[["disc"]]), "there is no key 'minmal'; did you mean 'minimal'?"), (dict(good, without=[{"gon": ["disc"], "image": "x"}]), "did you mean 'gone'?"),
                 (dict(good, shared=[{"parts": ["disc"], "clas": 1}, {}]), "did you mean 'class'?")]
        for line, word in cases:
            path = self.write("data/parts.jsonl", line if isinstance(line, str) else "\n" + json.dumps(line) + "\n")
            self.refused(2, word, "evaluate", path, "-m", "tiny", "--models", self.models, "--method", "gradcam", "--contrast", "logit", "--suite", "parts")
        self.refused(2, "no pictures", "evaluate", self.write("data/parts.jsonl", "\n"), "-m", "tiny", "--models", self.models, "--suite", "parts")

    # ---- other words ----

    def test_words_of_commands(self):
        data, own = self.path("data"), ["-m", "tiny", "--models", self.models]
        for words, code, word in [
                (("evaluate", data, *own, "--explain", "both"), 2, "prediction or label"), (("evaluate", data, *own, "--least-second", "2"), 2, "probability"),
                (("evaluate", data, *own, "--least-second", "x"), 2, "probability"), (("evaluate", data, *own, "--seed", "-1"), 2, "seed"), (("evaluate", data, *own, "--limit", "0"), 2, "limit"),
                (("evaluate", data, *own, "--jobs", "0"), 2, "jobs"), (("evaluate", data, *own, "--resume"), 2, "--output"), (("evaluate", data, *own, "--force"), 2, "--output"),
                (("evaluate", data, *own, "--resume", "--force", "--output", self.path("o")), 2, "exclude"), (("evaluate", data, "-m", "tiny", "--server", "http://127.0.0.1:1"), 2, "--server"),
                (("evaluate", data, "-m", "none", "--models", self.models), 3, "none"), (("evaluate", data, *own, "--layer", "none"), 2, "none"), (("evaluate", *own), 2, "data"),
                (("audit", data, *own, "--resume"), 2, "--output"), (("audit", data, *own, "--resume", "--force", "--output", self.path("o")), 2, "exclude"), (("audit", data, *own, "--top", "0"), 2, "top"),
                (("audit", *own), 2, "data"), (("audit", self.path("absent"), *own), 2, "there is no"), (("audit", data, *own, "--jobs", "x"), 2, "jobs"),
                (("explain", "x.png", "--server", "http://127.0.0.1:1", "--set", "threads=1"), 2, "x.png"), (("explain", data, "--server", "http://127.0.0.1:1", "--set", "threads=1"), 2, "--set"),
                (("explain", data, *own, "--set", "threads"), 2, "NAME=VALUE"), (("explain", data, *own, "--set", "threads=many"), 2, "threads"), (("explain", data, "--server", "http://" + "a" * 600), 2, "too long"),
                (("explain", data, "--server", "http://127.0.0.1:1", "--key-file", self.path("absent")), 2, "cannot be read"),
                (("explain", data, "--server", "http://127.0.0.1:1", "--key-file", self.write("empty", "\n")), 2, "is empty"), (("explain", data, *own, "--patience", "x"), 2, "patience"),
                (("explain", os.path.dirname(self.write("bare/readme.txt", "")), *own), 2, "there is no .png"), (("explain", self.path("data/*.gif"), *own), 2, "no file is named"), (("explain", *own), 2, "name a picture"),
                (("explain", "--from", self.path("absent"), *own), 2, "cannot be read"), (("explain", data, *own, "--json", "--text"), 2, "exclude"), (("explain", data, *own, "--draw", "oil"), 2, "--draw"),
                (("explain", data, *own, "--json", "--draw", "blocks"), 2, "goes with words"), (("explain", data, "--models", self.models), 2, "2 models"), (("labels", "a", "b", *own), 2, "one word too many"),
                (("draw",), 2, ""), (("draw", self.path("absent.png"), "--as", "blocks"), 5, "absent"), (("draw", self.labels, "--as", "blocks"), 5, "PNG and JPEG"), (("config", "--effective", "--port", "x"), 2, "port"),
                (("connect", "label-studio"), 2, "--server"), (("connect", "label-studio", "--server", "a" * 600), 2, "too long"),
                (("connect", "label-studio", "--server", "x", "--key-file", self.path("absent")), 2, "cannot be read"), (("connect", "label-studio", "--server", "x", "--url", "y"), 2, "--project"),
                (("connect", "label-studio", "--server", "x", "--url", "y", "--project", "1"), 2, "--token-file"), (("connect", "label-studio", "--server", "x", "--url", "y", "--project", "0", "--token-file", "z"), 2, "project"),
                (("generate",), 2, ""), (("generate", "/proc/none"), 5, ""), (("nothing", "--help"), 2, "nothing")]:
            self.refused(code, word, *words)

    def test_an_empty_value_is_none(self):
        """It is what a script has of a variable that nobody set: no class of the name "true", no folder at the root."""
        picture, own = self.path("data/stop/1.png"), ["-m", "tiny", "--models", self.models]
        for option in ("--target", "--why-not", "--png", "--output", "--from", "--model", "--colormap", "--value", "--id"):
            self.refused(2, "'--id' is not understood" if option == "--id" else "%s wants a value, not ''" % option, "explain", picture, *own, option, "")
        self.refused(2, "--models wants a value", "labels", "-m", "tiny", "--models", "")
        for more in (["--server", ""], ["--key-file", ""]):  # none, whatever the environment says
            r = whynot("explain", picture, *own, "--json", *more, env={"WHYNOT_SERVER": "http://127.0.0.1:1" if "--server" in more else "", "WHYNOT_KEY_FILE": "/none"})
            self.assertEqual(r.code, 0, r.err)

    def test_a_command_that_is_misspelt_is_told_the_nearest(self):
        self.refused(2, "there is no command 'explian'; did you mean 'explain'? whynot --help lists them", "explian", "x.png")
        self.refused(2, "there is no command 'frobnicate'; whynot --help lists them", "frobnicate")

    def test_what_is_meant_is_said_though_it_is_part_of_what_was_said(self):
        picture, own = self.path("data/stop/1.png"), ["-m", "tiny", "--models", self.models]
        for word in (" yield", "yield ", "yieldd"):
            self.refused(2, "has no class '%s'; see /v1/models/tiny/labels?q=; did you mean 'yield'?" % word, "explain", picture, "-q", word, *own)
        self.refused(2, "; did you mean 'gradcam'?", "explain", picture, "--method", "grad-cam", *own)

    def test_an_address_that_is_none_is_refused_as_that(self):
        for server, word in (("http://127.0.0.1:99999", "Port number"), ("127.0.0.1:abc", "Port number"), ("::1", "Port number"), ("127.0.0.1 :8420", "Bad hostname|Malformed input"), ("http://", "slashes"),
                             ("127.0.0.1:1?x=1", "it ends before any ? or #"), ("http://127.0.0.1:1#x", "it ends before any ? or #")):
            self.refused(2, "is no address, which is like http://127.0.0.1:8420: ", "models", "--server", server)
            self.assertRegex(whynot("models", "--server", server).err, word.replace("?", "\\?"))

    def test_a_proxy_is_not_asked_about_this_machine_and_named_where_it_may_be_the_trouble(self):
        proxies = {name: "http://127.0.0.1:1" for name in ("http_proxy", "https_proxy", "ALL_PROXY")}
        with daemon.Daemon(self.models) as d:
            for host in ("127.0.0.1", "localhost"):
                self.assertEqual(whynot("models", "--server", "%s:%d" % (host, d.port), env=proxies).code, 0)
            self.assertIn("http_proxy names a proxy", whynot("models", "--server", "http://whynot.invalid:%d" % d.port, env=proxies).err)
        r = whynot("models", "--server", "https://whynot.invalid", env={"ALL_PROXY": "http://127.0.0.1:1"})
        self.assertEqual((r.code, "ALL_PROXY names a proxy" in r.err), (4, True), r.err)
        self.assertNotIn("proxy", whynot("models", "--server", "http://127.0.0.1:1", env=proxies).err)

    def test_a_closed_stream_is_taken_by_nothing_else(self):
        """Else the words would go into the connection, or into the file that has its number."""
        picture = self.path("data/stop/1.png")
        with daemon.Daemon(self.models) as d:
            for own in (["--models", self.models], ["--server", "127.0.0.1:%d" % d.port]):
                said = {}
                for closed, operand in ((">&-", picture), (">&- 2>&- <&-", picture), ("2>&-", picture), ("<&-", picture), ("<&-", "-")):
                    done = subprocess.run(["sh", "-c", '"$@" ' + closed, "sh", os.environ["WHYNOT"], "explain", operand, "-m", "tiny", "--text", *own], capture_output=True, env=clean_environment())
                    said[closed, operand] = done.returncode, done.stdout.startswith(picture.encode() + b": "), b"output cannot be written" in done.stderr
                self.assertEqual(said, {(">&-", picture): (5, False, True), (">&- 2>&- <&-", picture): (5, False, False), ("2>&-", picture): (0, True, False),
                                        ("<&-", picture): (0, True, False), ("<&-", "-"): (1, False, False)})
                output = self.path("closed.jsonl")
                done = subprocess.run(["sh", "-c", '"$@" >&- 2>&- <&-', "sh", os.environ["WHYNOT"], "explain", picture, "-m", "tiny", "--output", output, *own], env=clean_environment())
                with open(output) as f:
                    self.assertEqual((done.returncode, [json.loads(line)["status"] for line in f]), (0, [200]))
                os.remove(output)

    def test_outputs_that_cannot_be_written(self):
        own = ["-m", "tiny", "--models", self.models, "--method", "gradcam", "--limit", "1"]
        fast = [*own, "--contrast", "logit", "--metric", "confidence"]
        for words in (("evaluate", self.path("data"), *fast, "--csv", "/dev/full"), ("evaluate", self.path("data"), *fast, "--report", "/dev/full"), ("evaluate", self.path("data"), *fast, "--output", self.path("no/such")),
                      ("audit", self.path("data"), *own, "--csv", "/dev/full"), ("audit", self.path("data"), *own, "--report", "/dev/full"), ("audit", self.path("data"), *own, "--output", "/dev/full", "--force"),
                      ("explain", self.path("data"), *own[:4], "--output", "/dev/full", "--force"), ("explain", self.path("data"), *own[:4], "--png", "/proc/none")):
            self.refused(5, "", *words)

    def test_a_place_that_nothing_can_be_written_at_is_named_before_the_work(self):
        os.makedirs(self.path("outputs/folder"), exist_ok=True)
        file = self.write("outputs/file", "")
        for command in ("evaluate", "audit"):
            own = [command, self.path("data"), "-m", "tiny", "--models", self.models, *(["--method", "gradcam", "--contrast", "logit", "--metric", "confidence"] if command == "evaluate" else [])]
            for option in ("--csv", "--report"):
                for place, word in ((self.path("outputs/folder"), "is a folder: name a file"), (self.path("outputs/new/"), "is a folder: name a file"), (file + "/x", "Not a directory")):
                    lines = self.path("lines")
                    self.refused(5, word, *own, "--output", lines, option, place)  # nor a line made
            for place in (self.path("outputs/made/deep/x.csv"), file):
                self.assertEqual(whynot(*own, "--csv", place).code, 0)
                self.assertGreater(os.path.getsize(place), 0)

    def test_what_a_full_disk_refuses_is_printed_all_the_same(self):
        for command in ("evaluate", "audit"):
            own = [command, self.path("data"), "-m", "tiny", "--models", self.models, *(["--method", "gradcam", "--contrast", "logit", "--metric", "confidence"] if command == "evaluate" else [])]
            report = self.path("kept.html")
            good, r = whynot(*own), whynot(*own, "--csv", "/dev/full", "--report", report)
            self.assertEqual((good.code, r.code), (0, 5))
            self.assertIn("'/dev/full' cannot be written: No space left", r.err)
            self.assertEqual(re.sub(r'"timings_ms":{[^}]*}', "", r.out), re.sub(r'"timings_ms":{[^}]*}', "", good.out))
            self.assertTrue(good.out)
            os.remove(report)

    def test_a_picture_that_is_no_data_set_is_refused_once(self):
        for command in ("evaluate", "audit"):
            r = whynot(command, self.path("data/stop/1.png"), "-m", "tiny", "--models", self.models)
            self.assertEqual((r.code, r.err.count("\n")), (2, 1), r.err)
            self.assertIn("line 1: no JSON", r.err)


if __name__ == "__main__":
    unittest.main()
