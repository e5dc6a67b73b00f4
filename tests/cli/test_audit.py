"""audit: likely label errors first, with the evidence beside them; jobs that are killed and gone on with; a page that asks nobody for anything."""
import base64
import csv
import io
import json
import math
import os
import re
import shutil
import statistics
import tempfile
import unittest

from command import ROOT, daemon, kill_where_it_waits, on_terminal, whynot
import tiny_onnx

MODELS = os.path.join(ROOT, "models")
SAMPLES = os.path.join(MODELS, "signs-resnet", "samples")
MODEL = ["--model", "signs-resnet", "--models", MODELS]
TURNED = {"no-right-turn-1.png": "no left turn", "speed-limit-30-1.png": "speed limit 80"}  # picture: the wrong label that it gets


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def label_of(name):
    return re.sub(r"-\d+\.png$", "", name).replace("-", " ")


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.names = sorted(os.listdir(SAMPLES))
        cls.data = cls.path("data")
        for name in cls.names:
            folder = os.path.join(cls.data, TURNED.get(name, label_of(name)))
            os.makedirs(folder, exist_ok=True)
            shutil.copy(os.path.join(SAMPLES, name), folder)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.temporary.name, name)

    def lines(self, *words, code=0, **more):
        r = whynot("audit", *words, *MODEL, **more)
        self.assertEqual(r.code, code, r.err)
        return [json.loads(line) for line in r.out.splitlines()]

    # ---- the list ----

    def test_wrong_labels_come_first_with_what_speaks_for_either(self):
        rows = self.lines(self.data)
        self.assertEqual([row["rank"] for row in rows], list(range(1, len(self.names) + 1)))
        self.assertEqual({os.path.basename(row["file"]) for row in rows[:2]}, set(TURNED))
        gaps = [row["logit_gap"] for row in rows]
        self.assertEqual(gaps, sorted(gaps, reverse=True))
        for row in rows:
            self.assertEqual(row["suspect"], row["logit_gap"] > 0)
            self.assertAlmostEqual(row["logit_gap"], row["rival"]["logit"] - row["label"]["logit"], 5)
            self.assertAlmostEqual(row["relative_probability"], 1 / (1 + math.exp(-row["logit_gap"])), 6)
            self.assertEqual("maps" in row["answer"], row["suspect"])
            self.assertTrue(os.path.exists(row["path"]))
        for row in rows[:2]:
            name = os.path.basename(row["file"])
            self.assertEqual((row["label"]["label"], row["rival"]["label"]), (TURNED[name], label_of(name)))
            for_rival, for_label = row["answer"]["maps"]
            self.assertEqual([(m["class"]["label"], m["rival"]["label"]) for m in (for_rival, for_label)],
                             [(label_of(name), TURNED[name]), (TURNED[name], label_of(name))])
            self.assertGreater(for_rival["share_positive"], 0.5)
            self.assertAlmostEqual(for_rival["score"], row["logit_gap"], 4)

    def test_the_other_way_round_is_the_daemons_answer(self):
        row = self.lines(self.data)[0]
        asked = whynot("explain", row["path"], *MODEL, "--target", row["label"]["label"], "--why-not", row["rival"]["label"], "--outputs", "raw,rle,bbox", "--json")
        self.assertEqual(json.loads(asked.out)["maps"][0], row["answer"]["maps"][1])

    def test_a_daemon_gives_the_same_lines(self):
        with daemon.Daemon(MODELS, "--access-log=false") as d:
            r = whynot("audit", self.data, "-m", "signs-resnet", "--server", "http://127.0.0.1:%d" % d.port)
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(r.out, whynot("audit", self.data, *MODEL).out)

    def test_csv_agrees_with_the_lines(self):
        table = self.path("table.csv")
        rows = self.lines(self.data, "--csv", table)
        with open(table, newline="") as f:
            cells = list(csv.DictReader(f))
        self.assertEqual([c["file"] for c in cells], [row["file"] for row in rows])
        for cell, row in zip(cells, rows):
            self.assertEqual((int(cell["rank"]), cell["label"], cell["rival"], cell["suspect"]),
                             (row["rank"], row["label"]["label"], row["rival"]["label"], "yes" if row["suspect"] else "no"))
            self.assertAlmostEqual(float(cell["logit_gap"]), row["logit_gap"], 3)
            self.assertEqual(bool(cell["evidence_for_rival"]), row["suspect"])

    def test_orders_differ_as_they_say(self):
        by = {how: self.lines(self.data, "--rank", how) for how in ("gap", "probability", "class")}
        for rows in by.values():
            suspects = [row["suspect"] for row in rows]
            self.assertEqual(suspects, sorted(suspects, reverse=True))
        unlikely = [row["label"]["probability"] for row in by["probability"] if row["suspect"]]
        self.assertEqual(unlikely, sorted(unlikely))
        gaps = {}
        for row in by["gap"]:
            gaps.setdefault(row["label"]["label"], []).append(row["logit_gap"])
        every = statistics.median(row["logit_gap"] for row in by["gap"])
        usual = {label: (len(own) * statistics.median(own) + 4 * every) / (len(own) + 4) for label, own in gaps.items()}
        for group in (True, False):
            keys = [round(row["logit_gap"] - usual[row["label"]["label"]], 4) for row in by["class"] if row["suspect"] == group]
            self.assertEqual(keys, sorted(keys, reverse=True))
        self.assertNotEqual([row["file"] for row in by["class"]], [row["file"] for row in by["gap"]])
        self.assertEqual(whynot("audit", self.data, *MODEL, "--rank", "beauty").code, 2)

    def test_labels_may_be_spelled_as_folders_are(self):
        index = self.path("spelled.csv")
        for label in ("no_right_turn", "No-Right-Turn", "4"):
            write(index, "image,label\n%s,%s\n" % (os.path.join(SAMPLES, "no-right-turn-1.png"), label))
            self.assertEqual(self.lines(index)[0]["label"]["label"], "no right turn")

    # ---- what fails ----

    def test_pictures_without_an_answer_come_last_and_say_why(self):
        data = self.path("broken")
        shutil.copytree(self.data, data)
        write(os.path.join(data, "no left turn", "bad.png"), "no picture")
        os.mkdir(os.path.join(data, "nothing known"))
        shutil.copy(os.path.join(SAMPLES, self.names[0]), os.path.join(data, "nothing known"))
        table, page = self.path("broken.csv"), self.path("broken.html")
        r = whynot("audit", data, *MODEL, "--csv", table, "--report", page)
        self.assertEqual(r.code, 1)
        self.assertIn("2 of %d pictures have no answer" % (len(self.names) + 2), r.err)
        rows = [json.loads(line) for line in r.out.splitlines()]
        self.assertEqual([row["rank"] for row in rows[-2:]], [None, None])
        self.assertEqual({os.path.basename(row["file"]) for row in rows[-2:]}, {"bad.png", self.names[0]})
        self.assertTrue(all(row["error"] for row in rows[-2:]))
        self.assertIn("nothing known/%s: its folder 'nothing known' is no class of signs-resnet" % self.names[0], r.err)
        with open(table, newline="") as f:
            cells = list(csv.DictReader(f))
        self.assertTrue(all(c["error"] and not c["rank"] and None not in c for c in cells[-2:]))
        self.assertIn("2 pictures have no answer", read(page))

    def test_what_is_wrong_is_named(self):
        bad, twice, empty = self.path("bad.csv"), self.path("twice.csv"), self.path("flat")
        write(bad, "image,label\na.png,no such sign\n")
        write(twice, "image,label\na.png,yield\na.png,stop\n")
        os.mkdir(empty)
        shutil.copy(os.path.join(SAMPLES, self.names[0]), empty)
        for words, code, said in (([], 2, "data set"), (["none"], 2, "'none'"), ([bad], 2, "line 2"), ([twice], 2, "twice"), ([empty], 2, "whynot labels"),
                                  ([self.data, "--text", "--lines"], 2, "exclude"), ([self.data, "--resume"], 2, "--output"), ([self.data, "--top", "0"], 2, "--top"),
                                  ([self.data, "--layer", "nowhere"], 2, "nowhere"), ([self.data, "--method", "nothing"], 2, "gradcam"),
                                  ([self.data, "--csv", "/dev/full"], 5, "/dev/full")):
            r = whynot("audit", *words, *MODEL)
            self.assertEqual(r.code, code, (words, r.err))
            self.assertTrue(r.err.startswith("whynot audit: "), r.err)
            self.assertIn(said, r.err)
        self.assertEqual(whynot("audit", self.data, "-m", "none", "--models", MODELS).code, 3)
        self.assertEqual(whynot("audit", self.data, "-m", "signs-resnet", "--server", "http://127.0.0.1:1", "--patience", "0").code, 4)

    def test_what_is_wrong_with_a_table_or_a_folder_is_said_of_it(self):
        index, strange, odd = self.path("separated.csv"), self.path("strange"), self.path("odd;name.png")
        os.makedirs(os.path.join(strange, "unknown_class"))
        shutil.copy(os.path.join(SAMPLES, self.names[0]), os.path.join(strange, "unknown_class"))
        shutil.copy(os.path.join(SAMPLES, self.names[0]), odd)
        r = whynot("audit", strange, *MODEL)
        self.assertEqual(r.code, 2)
        self.assertIn("its folder 'unknown_class' is no class", r.err)
        for text, said in (("image;label\n%s;stop\n" % odd, "must be a comma here, not ';'"), ("image\tlabel\n%s\tstop\n" % odd, "must be a comma here, not '\\t'"),
                           ("a.png;stop\nb.png;yield\n", "line 1: the separator"), ("photo,kind\na.png,stop\n", "it has no column 'image'"),
                           ("odd;name.png\n", "a CSV file has the columns image and label")):
            write(index, text)
            r = whynot("audit", index, *MODEL)
            self.assertEqual(r.code, 2, text)
            self.assertIn(said, r.err)
            self.assertNotIn("name a CSV file", r.err)

    def test_tables_come_as_spreadsheets_write_them(self):
        index, name = self.path("sheet.csv"), 'a, "b"\r\n<i> \u00fc.png'
        shutil.copy(os.path.join(SAMPLES, "no-right-turn-1.png"), self.path(name))
        quoted = '"%s"' % name.replace('"', '""')
        for text in ("\ufeffimage,label\r\n%s,no left turn\r\n", "Label,Filename\r\n\"no left turn\",%s\r\n", "id, image , label\n7, %s , no left turn \n\n",
                     "\ufeff%s,3", "class_index,label,path\n3,stop,%s\n"):
            with open(index, "w", newline="", encoding="utf-8") as out:
                out.write(text % quoted)
            row, = self.lines(index)
            self.assertEqual((row["file"], row["path"], row["label"]["label"]), (name, self.path(name), "no left turn"), text)
        write(index, 'image,label\na.png,yield\n"b.png,stop\nc.png,yield\n')
        r = whynot("audit", index, *MODEL)
        self.assertEqual(r.code, 2)
        self.assertIn("line 3", r.err)

    def test_a_picture_that_is_missing_has_its_line_and_paths_begin_where_the_table_lies(self):
        index = self.path("data/paths.csv")
        write(index, "image,label\nno left turn/no-right-turn-1.png,no left turn\n../data/yield/none.png,yield\n")
        there, missing = self.lines(index, code=1)
        self.assertTrue(there["suspect"])
        self.assertIn("cannot be read", missing["error"])
        os.remove(index)

    # ---- jobs ----

    def many(self, name, n=60):
        data = self.path(name)
        for i in range(n):
            source = self.names[i % len(self.names)]
            folder = os.path.join(data, TURNED.get(source, label_of(source)))
            os.makedirs(folder, exist_ok=True)
            shutil.copy(os.path.join(SAMPLES, source), os.path.join(folder, "%02d.png" % i))
        return data

    def test_a_killed_job_goes_on_without_a_repeated_or_missing_line(self):
        data = self.many("many")
        names = sorted(os.path.relpath(os.path.join(folder, name), data) for folder, _, files in os.walk(data) for name in files)
        write(os.path.join(data, "labels.csv"), "".join("%s,%s\n" % (name, os.path.dirname(name)) for name in names))
        words = ["audit", data, *MODEL, "--jobs", "2"]
        whole = whynot(*words, "--output", self.path("whole.jsonl"))
        self.assertEqual(whole.code, 0, whole.err)
        cut = self.path("cut.jsonl")
        picture = json.loads(read(self.path("whole.jsonl")).splitlines()[25])["path"]
        kill_where_it_waits([*words, "--output", cut], picture, cut, 25)
        with open(cut, "a") as out:
            out.write('{"file": "half')
        resumed = whynot(*words, "--output", cut, "--resume")
        self.assertEqual(resumed.code, 0, resumed.err)
        self.assertEqual(read(cut), read(self.path("whole.jsonl")))
        self.assertEqual(resumed.out, whole.out)
        self.assertEqual(len(whole.out.splitlines()), 60)

    def test_a_name_that_is_no_utf8_has_one_line_and_its_picture(self):
        folder, lines, page = os.fsencode(self.path("odd")) + b"/no left turn", self.path("odd.jsonl"), self.path("odd.html")
        os.makedirs(folder)
        try:
            shutil.copy(os.fsencode(os.path.join(SAMPLES, "no-right-turn-1.png")), folder + b"/caf\xe9.png")
        except OSError:
            self.skipTest("this file system has UTF-8 names only")
        for more in ([], ["--resume"]):
            row, = self.lines(self.path("odd"), "--output", lines, "--report", page, *more)
            self.assertEqual(row["file"], "no left turn/caf\\xe9.png")
            self.assertEqual((read(lines).count("\n"), read(page).count("data:image/jpeg")), (1, 3))

    def test_lines_of_another_question_or_another_label_are_not_gone_on_with(self):
        lines, index = self.path("other.jsonl"), self.path("other.csv")
        write(index, "image,label\n%s,yield\n" % os.path.join(SAMPLES, self.names[0]))
        self.assertEqual(len(self.lines(index, "--output", lines)), 1)
        self.assertEqual(whynot("audit", index, *MODEL, "--output", lines).code, 2)
        r = whynot("audit", index, *MODEL, "--output", lines, "--resume", "--method", "layercam")
        self.assertEqual(r.code, 2)
        self.assertIn("another question", r.err)
        write(index, read(index).replace("yield", "stop"))
        r = whynot("audit", index, *MODEL, "--output", lines, "--resume")
        self.assertEqual(r.code, 2)
        self.assertIn("another label", r.err)
        self.assertEqual(len(self.lines(index, "--output", lines, "--force")), 1)

    # ---- for people ----

    def test_the_report_stands_alone_and_names_both(self):
        page = self.path("report.html")
        self.lines(self.data, "--report", page)
        text = read(page)
        self.assertNotRegex(text, r'(src|href)="(?!data:|#)')
        self.assertNotRegex(text, r"https?:|url\(|<script|@import")
        self.assertEqual(text.count('class="card"'), 2)
        pictures = [base64.b64decode(data, validate=True) for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)]
        self.assertEqual(len(pictures), 6)
        self.assertTrue(all(p.startswith(b"\xff\xd8") and p.endswith(b"\xff\xd9") for p in pictures))
        self.assertEqual(len(set(pictures)), 6)
        self.assertTrue(all(alt for alt in re.findall(r'<img alt="([^"]*)"', text)))
        self.assertNotIn("dark rim", text)
        for card in text.split('class="card"')[1:]:
            self.assertEqual([card.count(words) for words in ("Why the model's", "Why your label,")], [1, 1])
            self.assertLess(card.index("Why the model's"), card.index("Why your label,"))
        for word in ("no right turn", "no left turn", "times in", "logit gap", "relative probability", "your label", "the model"):
            self.assertIn(word, text)

    def test_the_report_shows_the_first_and_survives_a_picture_that_went_away(self):
        data, lines, page = self.path("gone"), self.path("gone.jsonl"), self.path("gone.html")
        shutil.copytree(self.data, data)
        self.lines(data, "--output", lines)
        os.truncate(os.path.join(data, "no left turn", "no-right-turn-1.png"), 10)
        self.lines(data, "--output", lines, "--resume", "--report", page)
        text = read(page)
        self.assertEqual((text.count('class="card"'), text.count("data:image/jpeg")), (2, 3))
        self.lines(data, "--output", lines, "--resume", "--report", page, "--top", "1")
        self.assertEqual(read(page).count('class="card"'), 1)

    def test_the_report_says_what_the_model_did_not_see_and_leaves_synonyms_to_the_headline(self):
        models, picture, index, page = self.path("models"), self.path("wide.png"), self.path("wide.csv"), self.path("wide.html")
        labels = ["hawk, bird of prey", "crane, bird", "crane, machine", "stop"] + ["class %d" % i for i in range(4, 12)]
        daemon.write_model(models, "short", tiny_onnx.classifier(seed=1), labels, 16,
                           input={"resize": "short-side", "short_side": 20, "crop": [16, 16], "mean": [0.5] * 3, "std": [0.25] * 3})
        with open(picture, "wb") as out:
            out.write(daemon.picture(3, 96, 20))
        for label in ("hawk", "crane, bird", "crane, machine", "crane"):
            write(index, 'image,label\n"%s","%s"\n' % (picture, label))
            r = whynot("audit", index, "-m", "short", "--models", models, "--report", page)
            if label == "crane":  # it could be either
                self.assertEqual(r.code, 2)
                self.assertIn("'crane' is no class", r.err)
                continue
            row = json.loads(r.out)
            self.assertTrue(row["label"]["label"].startswith(label))
            if row["suspect"]:
                self.assertIn("dark rim", read(page))
                captions = re.findall(r"<figcaption>Why.*?</figcaption>", read(page))
                self.assertEqual(len(captions), 2)
                self.assertNotIn("bird of prey", "".join(captions))
                self.assertIn("Labelled <span class=\"label\">%s" % row["label"]["label"], read(page))

    def test_names_cannot_become_markup(self):
        name, index, page = "<b>&\"x\".png", self.path("names.csv"), self.path("names.html")
        shutil.copy(os.path.join(SAMPLES, "no-right-turn-1.png"), self.path(name))
        with open(index, "w", newline="") as out:
            csv.writer(out).writerows([("image", "label"), (name, "no left turn")])
        table = self.path("names-table.csv")
        self.assertEqual(self.lines(index, "--report", page, "--csv", table)[0]["file"], name)
        self.assertNotIn("<b>&", read(page))
        self.assertIn("&lt;b&gt;&amp;&quot;x&quot;.png", read(page))
        with open(table, newline="") as f:
            self.assertEqual(next(csv.DictReader(f))["file"], name)

    def test_names_cannot_command_a_terminal(self):
        data = self.path("names")
        os.makedirs(os.path.join(data, "no left turn"))
        shutil.copy(os.path.join(SAMPLES, "no-right-turn-1.png"), os.path.join(data, "no left turn", "a\x1b[31m\n\x9b\x7f\u00fc.png"))
        with open(os.path.join(data, "no left turn", "b\x1b]0;title\x07.png"), "wb"):
            pass
        r = whynot("audit", data, *MODEL, "--text")
        self.assertEqual(r.code, 1)
        self.assertIn("a\\x1b[31m\\x0a\\xc2\\x9b\\x7f\u00fc.png: labelled", r.out)
        self.assertIn("b\\x1b]0;title\\x07.png: ", r.err)
        self.assertNotRegex(r.out + r.err, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_a_terminal_gets_words_and_progress_pipes_get_neither(self):
        shown = on_terminal("audit", self.data, *MODEL, "--csv", self.path("t.csv"))
        self.assertEqual(shown.code, 0, shown.out)
        self.assertIn("labelled 'no left turn', looks like 'no right turn'", shown.out)
        self.assertIn("%d/%d" % (len(self.names), len(self.names)), shown.out)
        r = whynot("audit", self.data, *MODEL)
        self.assertEqual(r.err, "")
        self.assertTrue(all(json.loads(line) for line in io.StringIO(r.out)))
        r = whynot("audit", self.data, *MODEL, "--text", "--top", "1")
        self.assertIn("2 of them", r.out)
        self.assertEqual(len(r.out.splitlines()), 3)


if __name__ == "__main__":
    unittest.main()
