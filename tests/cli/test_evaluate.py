"""evaluate: numbers with intervals, lines that go on where they stopped, a report that asks nobody for anything."""
import csv
import json
import math
import os
import re
import shutil
import struct
import sys
import tempfile
import unittest
import zlib

from command import ROOT, kill_where_it_waits, whynot

MODELS = os.path.join(ROOT, "models")
SAMPLES = os.path.join(MODELS, "signs-resnet", "samples")
FAST = ["--model", "signs-resnet", "--models", MODELS, "--method", "gradcam", "--contrast", "logit,pair"]


def label_of(name):
    return re.sub(r"-\d+\.png$", "", name).replace("-", " ")


class Evaluate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.temporary.name, "data")
        os.mkdir(cls.data)
        known = set(json.loads(whynot("labels", "--json", "-m", "signs-resnet", "--models", MODELS).out)["labels"][i]["label"] for i in range(24))
        cls.names = [n for n in sorted(os.listdir(SAMPLES)) if label_of(n) in known]
        assert len(cls.names) >= 3, cls.names
        for name in cls.names:
            shutil.copy(os.path.join(SAMPLES, name), cls.data)
        with open(os.path.join(cls.data, "pictures.jsonl"), "w") as out:
            for i, name in enumerate(cls.names):
                row = {"image": name, "label": label_of(name), "rival": sorted(known - {label_of(name)})[i], "boxes": [[20, 20, 75, 75]]}
                out.write(json.dumps(row) + "\n")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def path(self, name):
        return os.path.join(self.temporary.name, name)

    def test_numbers_have_intervals_and_csv_and_json_agree(self):
        table = self.path("table.csv")
        r = whynot("evaluate", self.data, *FAST, "--metric", "content,confidence,contrast-truth", "--json", "--csv", table)
        self.assertEqual((r.code, r.err), (0, ""))
        answer = json.loads(r.out)
        self.assertEqual(answer["pictures"], len(self.names))
        self.assertEqual(answer["accuracy"], 1)
        cells = {(m["metric"], c["column"], s["subject"]): s for m in answer["metrics"] for c in m["columns"] for s in c["subjects"]}
        rows = list(csv.DictReader(open(table)))
        self.assertEqual(len(rows), len(cells))
        for row in rows:
            cell = cells[row["metric"], row["column"], row["subject"]]
            if cell["mean"] is None:
                self.assertEqual(row["mean"], "")
                continue
            self.assertAlmostEqual(float(row["mean"]), cell["mean"], 5)
            self.assertLessEqual(cell["low"], cell["mean"] + 1e-9)
            self.assertGreaterEqual(cell["high"], cell["mean"] - 1e-9)
        self.assertAlmostEqual(cells["content", "area", "gradcam/pair"]["mean"], (56 / 96) ** 2, 3)

    def test_pointing_counts_every_class_alike(self):
        data = self.path("uneven")
        os.mkdir(data)
        with open(os.path.join(data, "pictures.jsonl"), "w") as out:
            for i, hit in enumerate([True] * 4 + [False]):  # four of one class, one of another
                shutil.copy(os.path.join(SAMPLES, self.names[0 if hit else 1]), os.path.join(data, "%d.png" % i))
                out.write(json.dumps({"image": "%d.png" % i, "label": label_of(self.names[0 if hit else 1]), "boxes": [[0, 0, 95, 95] if hit else [0, 0, 1, 1]]}) + "\n")
        answer = json.loads(whynot("evaluate", data, *FAST, "--metric", "pointing,content", "--json").out)
        cells = {(m["metric"], c["column"]): c["subjects"][0] for m in answer["metrics"] for c in m["columns"]}
        self.assertEqual((cells["pointing", "exact"]["mean"], cells["pointing", "exact"]["n"]), (0.5, 5))
        self.assertGreater(cells["content", "area"]["mean"], 0.79)  # every other number is of pictures

    def test_gradient_signs_are_of_the_true_class_unless_asked(self):
        index = os.path.join(self.data, "mistaken.csv")
        with open(index, "w") as out:
            out.write('image,label\n"%s","%s"\n' % (self.names[0], label_of(self.names[-1])))
        words = ["evaluate", index, "--model", "signs-resnet", "--models", MODELS, "--json"]
        figure3 = ["--suite", "figure3", "--contrast", "logit"]
        byclass = {}
        for name, more in (("suite", []), ("label", ["--explain", "label"]), ("prediction", ["--explain", "prediction"])):
            answer = json.loads(whynot(*words, *figure3, *more).out)
            byclass[name] = answer["metrics"], re.search("explain=([a-z]+)", answer["question"]).group(1)
        self.assertEqual(byclass["suite"], byclass["label"])
        self.assertEqual((byclass["suite"][1], byclass["prediction"][1]), ("label", "prediction"))
        self.assertNotEqual(byclass["suite"][0], byclass["prediction"][0])
        other = json.loads(whynot(*words, "--suite", "place", "--method", "gradcam").out)
        self.assertIn("explain=prediction", other["question"])

    def test_the_same_bytes_again_and_after_a_kill(self):
        data = self.path("many")
        os.mkdir(data)
        for i in range(40):
            shutil.copy(os.path.join(SAMPLES, self.names[i % len(self.names)]), os.path.join(data, "%02d.png" % i))
        with open(os.path.join(data, "labels.csv"), "w") as out:
            out.write("".join("%02d.png\n" % i for i in range(40)))
        words = ["evaluate", data, *FAST, "--metric", "insertion,random-logit", "--json", "--jobs", "2"]
        whole = whynot(*words, "--output", self.path("whole.jsonl"))
        self.assertEqual(whole.code, 0, whole.err)
        cut = self.path("cut.jsonl")
        kill_where_it_waits([*words, "--output", cut], os.path.join(data, "20.png"), cut, 20)
        resumed = whynot(*words, "--output", cut, "--resume")
        self.assertEqual(resumed.code, 0, resumed.err)
        self.assertEqual(open(cut).read(), open(self.path("whole.jsonl")).read())
        self.assertEqual(resumed.out, whole.out)
        other = whynot(*words[:-2], "--seed", "5", "--output", cut, "--resume")
        self.assertEqual(other.code, 2)
        self.assertIn("another question", other.err)

    def test_the_report_stands_alone(self):
        report = self.path("report.html")
        r = whynot("evaluate", self.data, *FAST, "--metric", "content,pointing", "--report", report)
        self.assertEqual(r.code, 0, r.err)
        page = open(report).read()
        self.assertNotRegex(page, r'(src|href)="(?!data:)')
        self.assertNotIn("http", page.replace("http-equiv", ""))
        self.assertGreaterEqual(page.count("<svg"), 3)
        self.assertGreaterEqual(page.count("data:image/png;base64,"), 2 * len(self.names))
        self.assertIn("gradcam/pair", page)

    def test_a_picture_that_cannot_be_read_has_a_line_and_the_others_an_answer(self):
        data = self.path("broken")
        os.mkdir(data)
        shutil.copy(os.path.join(SAMPLES, self.names[0]), data)
        open(os.path.join(data, "no.png"), "wb").write(b"not a picture")
        r = whynot("evaluate", data, *FAST, "--metric", "confidence", "--json", "--output", self.path("broken.jsonl"))
        self.assertEqual(r.code, 1)
        self.assertIn("no.png", r.err)
        self.assertEqual((json.loads(r.out)["pictures"], json.loads(r.out)["without_answer"]), (1, 1))
        lines = [json.loads(line) for line in open(self.path("broken.jsonl"))]
        self.assertEqual(["error" in line for line in lines], [False, True])

    def test_pictures_may_be_as_large_as_the_configuration_says(self):
        data = self.path("large")
        os.mkdir(data)
        row = bytes(3 * 9000)
        scan = zlib.compress(b"".join(b"\0" + row for _ in range(2)), 1)
        chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
        with open(os.path.join(data, "wide.png"), "wb") as out:  # wider than the library's own 8192
            out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 2, 8, 2, 0, 0, 0)) + chunk(b"IDAT", scan) + chunk(b"IEND", b""))
        words = ["evaluate", data, *FAST, "--metric", "confidence", "--json"]
        self.assertEqual(json.loads(whynot(*words).out)["pictures"], 1)
        for option, said in (("max_side=8999", "8999"), ("max_pixels=17999", "pixel")):
            r = whynot(*words, "--set", option)
            self.assertEqual((r.code, json.loads(r.out)["without_answer"]), (1, 1))
            self.assertIn(said, r.err)

    def test_labels_come_from_folders_and_csv(self):
        data = self.path("classes")
        folder = os.path.join(data, label_of(self.names[0]))
        os.makedirs(folder)
        shutil.copy(os.path.join(SAMPLES, self.names[0]), folder)
        r = whynot("evaluate", data, *FAST, "--metric", "confidence", "--json")
        self.assertEqual(json.loads(r.out)["accuracy"], 1)
        index = os.path.join(self.data, "wrong.csv")
        other = label_of(self.names[-1])
        for text, accuracy in (('image,label\n"%s","%s"\n' % (self.names[0], other), 0), ("%s,%s\n" % (self.names[0], label_of(self.names[0])), 1),
                               ("label,file,more,class_index\nanything,%s,\"a \"\"quoted\"\", cell\",0\n" % self.names[0], 0)):
            with open(index, "w") as out:
                out.write(text)
            r = whynot("evaluate", index, *FAST, "--metric", "confidence", "--json")
            self.assertEqual(json.loads(r.out)["accuracy"], accuracy, (text, r.err))

    def test_a_box_that_leaves_its_picture_is_refused_with_the_pictures_name_and_size(self):
        index = os.path.join(self.data, "boxes.jsonl")
        with open(index, "w") as out:
            for name, box in ((self.names[0], [0, 0, 1000, 1000]), (self.names[1], [0, 0, 95, 95])):
                out.write(json.dumps({"image": name, "boxes": [box]}) + "\n")
        r = whynot("evaluate", index, *FAST, "--metric", "content", "--json")
        self.assertEqual((r.code, json.loads(r.out)["pictures"]), (1, 1))
        self.assertIn("%s: the box [0, 0, 1000, 1000] does not lie in the picture, which has 96 x 96 pixels" % self.names[0], r.err)

    def test_lines_of_another_label_are_not_gone_on_with(self):
        lines, index = self.path("labels.jsonl"), os.path.join(self.data, "labels-change.csv")
        broken = os.path.join(self.data, "missing.png")
        words = ["evaluate", index, *FAST, "--metric", "confidence", "--json", "--output", lines]

        def write(first, second):
            with open(index, "w") as out:
                out.write("image,label\n%s,%s\n%s,%s\n%s,stop\n" % (self.names[0], first, self.names[1], second, broken))
        write("stop", "")
        self.assertEqual(whynot(*words).code, 1)
        before = open(lines).read()
        self.assertEqual(whynot(*words, "--resume").code, 1)  # the one that is missing has no answer
        for first, second in (("yield", ""), ("stop", "stop"), ("", "")):
            write(first, second)
            r = whynot(*words, "--resume")
            self.assertEqual(r.code, 2, (first, second, r.err))
            self.assertIn("'%s' has another label now" % self.names[second == "stop"], r.err)
        self.assertEqual(open(lines).read(), before)
        self.assertEqual(whynot(*words, "--force").code, 1)
        data, lines = self.parts_data("relabelled"), self.path("relabelled.jsonl")
        parts = ["evaluate", data, "--model", "signs-resnet", "--models", MODELS, "--suite", "parts", "--json", "--output", lines]
        self.assertEqual(whynot(*parts).code, 0)
        self.assertEqual(whynot(*parts, "--resume").code, 0)
        rows = open(os.path.join(data, "parts.jsonl")).read()
        with open(os.path.join(data, "parts.jsonl"), "w") as out:
            out.write(rows.replace(label_of(self.names[0]), label_of(self.names[-1])))
        r = whynot(*parts, "--resume")
        self.assertEqual(r.code, 2)
        self.assertIn("another label", r.err)

    def parts_data(self, name, copies=1):
        """One sample as a picture of two parts and a thing behind it; what is left out is grey."""
        sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
        from daemon import png
        folder = self.path(name)
        os.mkdir(folder)
        shutil.copy(os.path.join(SAMPLES, self.names[0]), os.path.join(folder, "a.png"))
        open(os.path.join(folder, "grey.png"), "wb").write(png(96, 96, lambda x, y: [128] * 3))
        open(os.path.join(folder, "map.png"), "wb").write(png(96, 96, lambda x, y: [1 + (x > 48)] if 20 < y < 76 else [3 * (y > 90)], 0))
        row = {"label": label_of(self.names[0]), "map": "map.png", "parts": ["left", "right"], "background": ["ground"], "minimal": [["left"], ["right"]],
               "without": [{"gone": ["left"], "image": "grey.png"}, {"gone": ["right"], "image": "a.png"}, {"gone": ["left", "right"], "image": "grey.png"},
                           {"gone": ["ground"], "image": "a.png"}]}
        with open(os.path.join(folder, "parts.jsonl"), "w") as out:
            for i in range(copies):
                os.path.exists(os.path.join(folder, "%d.png" % i)) or shutil.copy(os.path.join(folder, "a.png"), os.path.join(folder, "%d.png" % i))
                out.write(json.dumps(dict(row, image="%d.png" % i)) + "\n")
        return folder

    def test_parts_that_are_left_out(self):
        folder, lines = self.parts_data("parts", 4), self.path("parts.jsonl")
        words = ["evaluate", folder, *FAST, "--suite", "parts", "--json"]
        r = whynot(*words, "--output", lines, "--report", self.path("parts.html"), "--csv", self.path("parts.csv"))
        self.assertEqual((r.code, r.err), (0, ""))
        answer = json.loads(r.out)
        self.assertEqual((answer["pictures"], answer["accuracy"]), (4, 1))
        cells = {c["column"]: c["subjects"][0] for c in answer["metrics"][0]["columns"]}
        self.assertEqual(set(cells), {"csdc", "pc", "dc", "d", "bi", "sd", "ts", "tau"})
        self.assertEqual((cells["bi"]["mean"], cells["csdc"]["mean"], cells["ts"]["n"]), (1, 1, 0))  # the ground changes nothing
        one = json.loads(open(lines).readline())["parts"]
        self.assertEqual([row[0] for row in one["without"]], [1, 2, 3, 4])
        self.assertEqual((one["without"][1][1], one["without"][1][2]), (one["top"], one["logit"]))
        self.assertNotEqual(one["without"][0][1], one["top"])
        whole = open(lines).read()
        open(lines, "w").write("".join(whole.splitlines(True)[:2]) + '{"half')
        again = whynot(*words, "--output", lines, "--resume")
        self.assertEqual((again.code, again.out, open(lines).read()), (0, r.out, whole))
        self.assertIn("distractibility", open(self.path("parts.html")).read())

    def test_what_is_wrong_with_parts_is_named(self):
        folder = self.parts_data("bad parts")
        row = json.loads(open(os.path.join(folder, "parts.jsonl")).readline())
        for change, said in (({"label": "nothing"}, "label"), ({"minimal": [["middle"]]}, "none of 'parts'"), ({"map": None}, "'map'"),
                             ({"shared": [{"class": "x", "parts": ["left"]}] * 2}, "shared"), ({"parts": ["p%d" % i for i in range(40)]}, "32")):
            open(os.path.join(folder, "parts.jsonl"), "w").write(json.dumps(dict(row, **change)) + "\n")
            r = whynot("evaluate", folder, *FAST, "--suite", "parts")
            self.assertEqual(r.code, 2, (change, r.err))
            self.assertIn("line 1", r.err)
            self.assertIn(said, r.err)
        r = whynot("evaluate", self.data, *FAST, "--suite", "parts")
        self.assertEqual(r.code, 2)
        self.assertIn("parts.jsonl", r.err)
        r = whynot("evaluate", folder, *FAST, "--metric", "parts,content")
        self.assertIn("by itself", r.err)

    def test_what_is_wrong_is_named(self):
        bad = os.path.join(self.data, "bad.jsonl")
        open(bad, "w").write('{"image": "a.png"}\n{"image": "b.png", "label": "no such sign"}\n')
        for words, code, said in ((["none"], 2, "data set 'none'"), ([self.data, "--metric", "beauty"], 2, "'beauty'; there are: masking"),
                                  ([self.data, "--suite", "x"], 2, "table1"), ([self.data, "--contrast", "x"], 2, "weighted"),
                                  ([bad], 2, "line 2"), ([self.data, "--least-second", "2"], 2, "probability"), ([], 2, "data set"),
                                  ([self.data, "--metric", "masking-equal", "--contrast", "logit"], 2, "masking-equal"),
                                  ([self.data, "--layer", "nowhere"], 2, "nowhere")):
            r = whynot("evaluate", *words, "--model", "signs-resnet", "--models", MODELS, "--method", "gradcam")
            self.assertEqual(r.code, code, (words, r.err))
            self.assertIn(said, r.err)

    def test_list_names_every_metric_and_suite(self):
        out = whynot("evaluate", "--list").out
        for word in ("table1", "contrast-truth", "blur.positive.1", "paste.turns", "insertion"):
            self.assertIn(word, out)

    def test_masking_of_sure_pictures_says_nothing_unless_asked(self):
        words = ["evaluate", self.data, *FAST, "--metric", "masking", "--json"]
        none = json.loads(whynot(*words, "--least-second", "0.9").out)["metrics"][0]["columns"][0]["subjects"][0]
        every = json.loads(whynot(*words, "--least-second", "0").out)["metrics"][0]["columns"][0]["subjects"][0]
        self.assertEqual((none["n"], every["n"]), (0, len(self.names)))
        self.assertTrue(math.isfinite(every["mean"]))

    def test_pictures_that_a_metric_leaves_out_are_counted_with_what_it_needs(self):
        report, table = self.path("left-out.html"), self.path("left-out.csv")
        words = ["evaluate", self.data, *FAST, "--metric", "masking,content", "--least-second", "0.9", "--limit", "3"]
        masking, content = json.loads(whynot(*words, "--json", "--report", report, "--csv", table).out)["metrics"]
        self.assertEqual((masking["left_out"], masking["needs"]), (3, "a second class that is likelier than 0.9 (least-second)"))
        self.assertEqual((content["left_out"], content["needs"]), (0, "a truth or boxes"))
        self.assertIn("\nmasking has no number for 3 of 3 pictures: it needs a map that says something, and a second class that is likelier than 0.9 (least-second)\n", whynot(*words).out)
        self.assertIn("has no number for 3 of 3 pictures: it needs a map that says something, and a second class", open(report).read())
        self.assertEqual({(row["metric"], row["left_out"]) for row in csv.DictReader(open(table))}, {("masking", "3"), ("content", "0")})
        r = whynot("evaluate", self.one_of_labels(), *FAST, "--metric", "content")
        self.assertIn("content has no number for 1 of 1 pictures: it needs a map that says something, and a truth or boxes\n", r.out)

    def one_of_labels(self):
        index = os.path.join(self.data, "one.csv")
        with open(index, "w") as out:
            out.write("image,label\n%s,%s\n" % (self.names[0], label_of(self.names[0])))
        return index

    def test_what_is_refused_is_named_with_its_reason_in_every_output(self):
        model = FAST[:4]
        for methods, contrasts, refused, code in (("eigencam,gradcam", "pair", ["eigencam/pair"], 1), ("gradcam", "clrp", ["gradcam/clrp"], 2),
                                                  ("gradcam", "regression,logit", ["gradcam/regression"], 1), ("gradcam,la", "regression", ["gradcam/regression", "la/regression"], 2)):
            with self.subTest(methods=methods, contrasts=contrasts):
                report, table, lines = self.path("refused.html"), self.path("refused.csv"), self.path("refused.jsonl")
                words = ["evaluate", self.data, *model, "--limit", "3", "--method", methods, "--contrast", contrasts, "--metric", "insertion,masking"]
                r = whynot(*words, "--json", "--report", report, "--csv", table, "--output", lines, "--force")
                text = whynot(*words)
                self.assertEqual((r.code, text.code), (code, code), r.err)
                answer = json.loads(r.out, parse_constant=lambda word: self.fail(word))
                self.assertEqual([(row["subject"], row["pictures"]) for row in answer["refused"]], [(s, 3) for s in refused])
                reasons = {row["subject"]: row["reason"] for row in answer["refused"]}
                for out in (text.out, open(report).read()):
                    self.assertNotRegex(out, r"\bnan\b|\binf\b")
                    for subject, reason in reasons.items():
                        self.assertIn("%s is refused for 3 of 3 pictures: %s" % (subject, reason), out.replace("&#39;", "'"))
                self.assertIn("%s for 3 of 3 pictures: %s" % (refused[0], reasons[refused[0]]), r.err)
                for row in csv.DictReader(open(table)):
                    self.assertEqual((row["refused"], row["reason"]), ("3", reasons[row["subject"]]) if row["subject"] in refused else ("0", ""))
                self.assertEqual([json.loads(line)["refused"] for line in open(lines)], [reasons] * 3)

    def test_one_picture_has_no_interval_and_no_output_says_nan(self):
        report, table = self.path("single.html"), self.path("single.csv")
        r = whynot("evaluate", self.one_of_labels(), *FAST, "--metric", "insertion", "--report", report, "--csv", table)
        self.assertEqual((r.code, r.err), (0, ""))
        self.assertIn(" [-, -]  n=1  against the first ", r.out)
        for out in (r.out, open(report).read(), open(table).read()):
            self.assertNotRegex(out, r"\bnan\b")


if __name__ == "__main__":
    unittest.main()
