"""explain: the same answers with a daemon and without, on pipes and on a terminal, and jobs that are killed and gone on with."""
import base64
import json
import os
import re
import subprocess
import tempfile
import time
import unittest

from command import clean_environment, daemon, kill_where_it_waits, lines_of, on_terminal, whynot

PICTURES = 12


def fixed(answer):
    """What does not depend on the run."""
    copy = dict(answer)
    copy.pop("timings_ms")
    return copy


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = cls.temporary.name
        cls.models = os.path.join(cls.folder, "models")
        os.mkdir(cls.models)
        daemon.tiny_models(cls.models)
        cls.pictures = os.path.join(cls.folder, "pictures")
        os.makedirs(os.path.join(cls.pictures, "below"))
        for i in range(PICTURES):
            name = os.path.join("below" if i % 3 == 0 else "", "%02d.png" % i)
            with open(os.path.join(cls.pictures, name), "wb") as f:
                f.write(daemon.picture(i))
        cls.one = os.path.join(cls.pictures, "01.png")
        cls.d = daemon.Daemon(cls.models, "--access-log=false").__enter__()
        cls.server = ["--server", "http://127.0.0.1:%d" % cls.d.port]
        cls.local = ["--models", cls.models]

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.temporary.cleanup()

    def lines(self, result, code=0):
        self.assertEqual(result.code, code, result.err)
        return [json.loads(line) for line in result.out.splitlines()]

    def test_a_model_of_a_daemon_is_given_by_its_name(self):
        path = os.path.join(self.models, "tiny")
        for command in (("explain", self.one), ("labels",), ("layers",)):
            for model in (path, path + "/"):
                r = whynot(*command, "-m", model, *self.server)
                self.assertEqual((r.code, r.err.strip().endswith("by its name, such as --model tiny")), (2, True), r.err)
                self.assertEqual(whynot(*command, "-m", model).code, 0)

    def test_mean_and_variance_over_all_rivals_are_called_so(self):
        r = whynot("explain", self.one, "-q", "all", "-m", "tiny", "--text", *self.local)
        self.assertEqual(r.code, 0, r.err)
        mean, variance = [line for line in r.out.splitlines() if "layer " in line]
        self.assertRegex(mean, r"^  mean over all rivals of .*: the strongest evidence against the rivals is at the ")
        self.assertRegex(variance, r"^  variance over all rivals of .*: they differ most at the [a-z ]+$")

    # ---- the answer ----

    def test_json_is_the_daemons_answer_with_a_daemon_and_without(self):
        question = ["--why-not", "auto:2", "--outputs", "heatmap,overlay,raw,bbox", "--maps", "contrast,target", "--model", "tiny"]
        with open(self.one, "rb") as f:
            http = self.d.explain(f.read(), "?why_not=auto:2&outputs=heatmap,overlay,raw,bbox&maps=contrast,target").json
        for where in (self.server, self.local):
            r = whynot("explain", self.one, "--json", *question, *where)
            self.assertEqual(r.code, 0, r.err)
            self.assertEqual(fixed(json.loads(r.out)), fixed(http))

    def test_json_with_and_without_a_daemon_is_the_same_text_but_for_the_times(self):
        texts = [whynot("explain", self.one, "--json", "--model", "tiny", "-q", "3", *where).out for where in (self.server, self.local)]
        texts = [re.sub(r'"timings_ms":\{[^}]*\}', "", t) for t in texts]
        self.assertEqual(texts[0], texts[1])
        self.assertIn('"predictions"', texts[0])

    def test_a_picture_may_come_from_standard_input(self):
        with open(self.one, "rb") as f:
            piped = whynot("explain", "-", "-m", "tiny", *self.server, stdin=f.read())
        named = whynot("explain", self.one, "-m", "tiny", *self.server)
        a, b = self.lines(piped)[0], self.lines(named)[0]
        self.assertEqual((a["file"], b["file"]), ("-", self.one))
        self.assertEqual(fixed(a["answer"]), fixed(b["answer"]))

    def test_folders_patterns_and_lists_name_each_picture_once_in_order(self):
        names = ["below/%02d.png" % i if i % 3 == 0 else "%02d.png" % i for i in range(PICTURES)]
        wanted = sorted(os.path.join(self.pictures, n) for n in names)
        r = whynot("explain", self.pictures, self.one, os.path.join(self.pictures, "0*.png"), "-m", "tiny", *self.server)
        self.assertEqual(sorted(x["file"] for x in self.lines(r)), wanted)
        r = whynot("explain", "--from", "-", "-m", "tiny", *self.local, stdin=("\n".join(wanted) + "\n").encode())
        self.assertEqual([x["file"] for x in self.lines(r)], wanted)

    def test_a_label_with_a_comma_can_be_named(self):
        r = whynot("explain", self.one, "-m", "tiny", "--json", "--target", "priority, road", "--why-not", "yield", "--why-not", "stop", *self.local)
        answer = json.loads(r.out)
        self.assertEqual(answer["target"]["label"], "priority, road")
        self.assertEqual([c["label"] for c in answer["why_not"]], ["yield", "stop"])

    # ---- pictures ----

    def test_pictures_are_written_under_the_names_of_the_pictures_and_left_out_of_the_lines(self):
        with tempfile.TemporaryDirectory() as out:
            r = whynot("explain", self.pictures, "-m", "tiny", "-q", "auto:2", "--png", out, *self.local)
            for line in self.lines(r):
                self.assertEqual(len(line["png"]), 4)
                for path in line["png"]:
                    with open(path, "rb") as f:
                        w, h, color, _ = daemon.read_png(f.read())
                    self.assertEqual((w, h, color), (24, 20, 3 if "heatmap" in path else 2))
                self.assertNotIn("data", line["answer"]["maps"][0])
                self.assertNotIn("overlay", line["answer"]["maps"][0])
                self.assertIn("bbox", line["answer"]["maps"][0])
            self.assertTrue(os.path.isdir(os.path.join(out, "below")))
            self.assertFalse([f for _, _, files in os.walk(out) for f in files if f.endswith(".part")])

    def test_two_pictures_of_one_name_are_not_written_over_each_other(self):
        with tempfile.TemporaryDirectory() as other:
            twin = os.path.join(other, "01.png")
            with open(twin, "wb") as f:
                f.write(daemon.picture(3))
            r = whynot("explain", self.one, twin, "-m", "tiny", "--png", other, *self.local)
            self.assertEqual(r.code, 2)
            self.assertIn("same file", r.err)

    # ---- what fails ----

    def test_exit_codes_are_those_that_the_help_names(self):
        bad = os.path.join(self.folder, "bad.png")
        with open(bad, "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\nno picture")
        help_text = whynot("--help").out
        cases = [(0, [self.one, "-m", "tiny"]), (1, [self.one, bad, "-m", "tiny"]), (2, ["--no-such-option"]), (2, [self.one]),
                 (2, ["/there/is/no/picture.png", "-m", "tiny"]), (3, [self.one, "-m", "none"]), (2, [self.one, "-m", "tiny", "--why-not", "no such class"])]
        for code, words in cases:
            for where in (self.local, self.server):
                r = whynot("explain", *words, *where)
                self.assertEqual(r.code, code, (words, r.err))
                self.assertTrue(code == 0 or r.err.startswith("whynot explain: "), (words, r.err))
            self.assertRegex(help_text, r"(?m)^  %d  \w" % code)
        r = whynot("explain", self.one, "-m", "tiny", "--server", "http://127.0.0.1:1", "--patience", "0")
        self.assertEqual((r.code, r.out), (4, ""))
        self.assertRegex(help_text, r"(?m)^  4  ")

    def test_a_damaged_picture_has_its_line_and_the_others_have_theirs(self):
        with tempfile.TemporaryDirectory() as folder:
            for i, data in enumerate((daemon.picture(1), b"no picture at all", daemon.picture(2))):
                with open(os.path.join(folder, "%d.png" % i), "wb") as f:
                    f.write(data)
            for where in (self.local, self.server):
                lines = self.lines(whynot("explain", folder, "-m", "tiny", *where), 1)
                self.assertEqual([x["status"] for x in lines], [200, 415, 200])
                self.assertEqual(lines[1]["answer"]["code"], "UNSUPPORTED_MEDIA")

    def test_a_question_that_is_wrong_for_every_picture_ends_the_job_at_once(self):
        for where in (self.local, self.server):
            r = whynot("explain", self.pictures, "-m", "tiny", "--method", "grandcam", *where)
            self.assertEqual((r.code, r.out), (2, ""))
            self.assertIn("gradcam", r.err)

    def test_a_picture_that_the_network_takes_for_the_rival_fails_alone_and_the_others_are_answered(self):
        taken = [x["answer"]["target"]["index"] for x in self.lines(whynot("explain", self.pictures, "-m", "tiny", *self.local))]
        rival = next(c for c in taken if taken.count(c) < len(taken))
        other = next(c for c in range(12) if c not in taken)
        wanted = [400 if c == rival else 200 for c in taken]
        for words in (["-q", str(rival)], ["-q", str(other), "-q", str(rival)], ["--contrast", "subset", "-q", "%d,%d" % (rival, other)]):
            for where in (self.local, self.server):
                with self.subTest(words=words, where=where), tempfile.TemporaryDirectory() as out:
                    file = os.path.join(out, "answers.jsonl")
                    r = whynot("explain", self.pictures, "-m", "tiny", *words, "--output", file, *where)
                    self.assertEqual((r.code, lines_of(file)), (1, PICTURES), r.err)
                    self.assertIn("%d of %d pictures have no answer" % (wanted.count(400), PICTURES), r.err)
                    with open(file) as f:
                        lines = [json.loads(line) for line in f]
                    self.assertEqual([x["status"] for x in lines], wanted)
                    self.assertIn("both target and foil", lines[wanted.index(400)]["answer"]["detail"])
                    r = whynot("explain", self.pictures, "-m", "tiny", *words, "--output", file, "--resume", *where)
                    self.assertEqual((r.code, lines_of(file)), (0, PICTURES), r.err)
                    r = whynot("explain", self.pictures, "-m", "tiny", *words, "--text", *where)
                    self.assertEqual((r.code, r.out.count("no answer: class %d is both" % rival)), (1, wanted.count(400)), r.out)

    def test_a_question_that_no_picture_can_be_asked_ends_the_job_whatever_is_wrong_with_it(self):
        for words, about in ((["-q", "3", "-w", "3"], "why_not is the target itself"), (["-q", "99"], "99 is not a class"), (["-q", b"\xff"], "UTF-8"),
                             (["-q", "1\x01"], "control characters"), (["-q", "1"] * 70, "at most"), (["--value", "2", "--contrast", "pair"], "takes no value")):
            for where in (self.local, self.server):
                with self.subTest(words=words[:2]):
                    r = whynot("explain", self.pictures, "-m", "tiny", *words, *where)
                    self.assertEqual((r.code, r.out), (2, ""))
                    self.assertIn(about, r.err)

    def test_a_wrong_class_says_what_was_meant(self):
        for where in (self.local, self.server):
            r = whynot("explain", self.one, "-m", "tiny", "--why-not", "no entri", *where)
            self.assertNotEqual(r.code, 0)
            self.assertIn("no entry", r.err)

    def test_a_key_comes_from_a_file_and_goes_as_a_bearer(self):
        import http.server
        import threading
        seen, paths = [], []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                seen.append(self.headers.get("Authorization"))
                paths.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                body = b'{"predictions":[],"maps":[],"detail":"a key is needed"}'
                self.send_response(200 if seen[-1] == "Bearer sesame" else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        key = os.path.join(self.folder, "key")
        with open(key, "w") as f:
            f.write("sesame\n")
        words = ["explain", self.one, "-m", "tiny", "--server", "http://127.0.0.1:%d" % server.server_port]
        self.assertEqual(whynot(*words, "--key-file", key).code, 0)
        self.assertEqual(whynot(*words).code, 4)
        self.assertEqual(whynot(*words, "--json", "--key-file", key).code, 0)
        server.shutdown()
        server.server_close()
        self.assertEqual(seen, ["Bearer sesame", None, "Bearer sesame"])
        self.assertEqual(paths[2], "/v1/models/tiny/explain")  # a '?' with nothing behind it is dropped by newer libcurls

    def test_what_is_no_file_is_passed_over_in_a_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            stop = os.path.join(folder, "stop")
            os.makedirs(os.path.join(stop, "folder.png"))
            os.mkfifo(os.path.join(stop, "pipe.png"))
            os.symlink("pipe.png", os.path.join(stop, "to-a-pipe.png"))
            os.symlink("folder.png", os.path.join(stop, "to-a-folder.png"))
            os.symlink(self.one, os.path.join(stop, "to-a-picture.png"))
            os.symlink("nothing", os.path.join(stop, "to-nothing.png"))
            for command in ("explain", "audit"):
                lines = self.lines(whynot(command, folder, "-m", "tiny", *self.local), 1)
                self.assertEqual([os.path.basename(x["file"]) for x in lines], ["to-a-picture.png", "to-nothing.png"])

    def test_pictures_of_other_kinds_in_a_folder_are_named_in_a_note(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("b.webp", "a.TIFF", ".hidden.gif", "notes.txt"):
                open(os.path.join(folder, name), "wb").close()
            r = whynot("explain", folder, self.one, "-m", "tiny", *self.local)
            self.assertEqual([x["file"] for x in self.lines(r)], [self.one])
            self.assertIn("note: 2 pictures passed over that are neither PNG nor JPEG, '%s/a.TIFF' first" % folder, r.err)
            r = whynot("explain", folder, "-m", "tiny", *self.local)
            self.assertEqual(r.code, 2)
            self.assertIn("2 pictures passed over", r.err)

    def test_a_name_that_is_no_utf8_has_its_answer_in_every_form(self):
        with tempfile.TemporaryDirectory() as folder:
            picture, out = os.fsencode(folder) + b"/caf\xe9.png", os.path.join(folder, "maps")
            try:
                with open(picture, "wb") as f:
                    f.write(daemon.picture(1))
            except OSError:
                self.skipTest("this file system has UTF-8 names only")
            for where in (self.local, self.server):
                for words in ([], ["--png", out]):
                    for form in ("--lines", "--json", "--text"):
                        with self.subTest(words=words, form=form):
                            r = whynot("explain", picture, self.one, "-m", "tiny", form, *words, *where)
                            self.assertEqual((r.code, r.err), (0, ""))
                            if form == "--text":
                                self.assertIn("caf\\xe9.png", r.out)
                            elif form == "--lines":
                                first, second = self.lines(r)
                                self.assertEqual((first["file"], second["file"]), (folder + "/caf\\xe9.png", self.one))
                                self.assertEqual(first.get("png", [""])[0], os.path.join(out, "caf\\xe9.png.target.heatmap.png") if words else "")
                self.assertIn(b"caf\xe9.png.target.heatmap.png", os.listdir(os.fsencode(out)))

    # ---- jobs ----

    def many(self, folder, n):
        for i in range(n):
            os.symlink(os.path.join(self.pictures, "%02d.png" % (i % 2 + 1)), os.path.join(folder, "p%04d.png" % i))

    def kill_at_any_moment(self, words, file):
        """Once some more lines are there, again and again; a job that was through before is as good."""
        for _ in range(3):
            p = subprocess.Popen([os.environ["WHYNOT"], *words], env=clean_environment(), stderr=subprocess.DEVNULL)
            before = lines_of(file)
            while p.poll() is None and lines_of(file) < before + 40:
                time.sleep(0.001)
            p.kill()
            p.wait()

    def test_a_job_of_500_pictures_that_is_killed_goes_on_without_a_repeated_or_missing_line(self):
        for where in (self.local, self.server):
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
                self.many(folder, 500)
                file = os.path.join(out, "answers.jsonl")
                words = ["explain", os.path.join(folder, "p*.png"), "-m", "tiny", "-q", "auto:1", "--png", out, "--output", file, *where]
                kill_where_it_waits(words, os.path.join(folder, "p0300.png"), file, 300)
                self.kill_at_any_moment([*words, "--resume"], file)
                with open(file, "ab") as f:
                    f.write(b'{"file":"half a li')  # what a kill in the middle of a write leaves
                r = whynot(*words, "--resume")
                self.assertEqual(r.code, 0, r.err)
                with open(file) as f:
                    lines = [json.loads(line) for line in f]
                self.assertEqual([x["file"] for x in lines], [os.path.join(folder, "p%04d.png" % i) for i in range(500)])
                self.assertEqual({x["status"] for x in lines}, {200})
                self.assertTrue(all(os.path.getsize(p) for x in lines for p in x["png"]))

    def test_a_file_that_is_there_is_neither_overwritten_nor_mixed_with_another_question(self):
        with tempfile.TemporaryDirectory() as out:
            file = os.path.join(out, "answers.jsonl")
            words = ["explain", self.pictures, "-m", "tiny", "--output", file, *self.local]
            self.assertEqual(whynot(*words).code, 0)
            with open(file, "rb") as f:
                before = f.read()
            self.assertEqual(whynot(*words).code, 2)
            r = whynot(*words, "--resume", "--why-not", "auto:1")
            self.assertEqual(r.code, 2)
            self.assertIn("another question", r.err)
            self.assertEqual(whynot(*words, "--resume").code, 0)
            with open(file, "rb") as f:
                self.assertEqual(f.read(), before)
            self.assertEqual(whynot(*words, "--force", "--why-not", "auto:1").code, 0)
            self.assertEqual(lines_of(file), PICTURES)

    def test_a_daemon_that_goes_away_ends_the_job_where_it_can_go_on(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
            self.many(folder, 300)
            file = os.path.join(out, "answers.jsonl")
            d = daemon.Daemon(self.models, "--access-log=false").__enter__()
            words = ["explain", os.path.join(folder, "p*.png"), "-m", "tiny", "--output", file, "--resume", "--patience", "1"]
            pipe = os.path.join(folder, "p0100.png")  # where the job waits while the daemon goes
            os.remove(pipe)
            os.mkfifo(pipe)
            p = subprocess.Popen([os.environ["WHYNOT"], *words, "--server", "http://127.0.0.1:%d" % d.port], env=clean_environment(), stderr=subprocess.PIPE)
            daemon.wait_until(lambda: lines_of(file) >= 100 or p.poll() is not None, 60)
            d.process.kill()
            d.process.wait()
            d.process.stdout.close()
            d.log.close()
            with open(pipe, "wb") as f:
                f.write(daemon.picture(1))
            self.assertEqual(p.wait(60), 4)
            p.stderr.close()
            self.assertEqual(lines_of(file), 100)
            os.remove(pipe)
            os.symlink(self.one, pipe)
            self.assertEqual(whynot(*words, *self.server).code, 0)
            with open(file) as f:
                self.assertEqual([json.loads(x)["file"] for x in f], [os.path.join(folder, "p%04d.png" % i) for i in range(300)])

    # ---- terminals ----

    def test_a_pipe_gets_lines_and_never_an_escape_sequence(self):
        r = whynot("explain", self.pictures, "-m", "tiny", *self.local, env={"COLORTERM": "truecolor", "KITTY_WINDOW_ID": "1"})
        self.assertEqual(len(self.lines(r)), PICTURES)
        self.assertNotIn("\x1b", r.out + r.err)
        r = whynot("explain", self.one, "-m", "tiny", "--text", *self.local)
        self.assertIn("why '", r.out)
        self.assertNotIn("\x1b", r.out + r.err)

    def test_names_cannot_command_a_terminal(self):
        name = os.path.join(self.folder, "a\x1b]0;title\x07\n.png")
        with open(name, "wb") as f:
            f.write(daemon.picture(1))
        r = whynot("explain", name, self.one, "-m", "tiny", "--text", *self.local)
        self.assertIn("a\\x1b]0;title\\x07\\x0a.png: ", r.out)
        with open(name, "wb"):
            pass
        r = whynot("explain", name, self.one, "-m", "tiny", "--text", *self.local)
        self.assertEqual(r.code, 1)
        self.assertIn("\\x0a.png: no answer: ", r.out)
        os.remove(name)
        r = whynot("explain", name, "-m", "tiny", *self.local)
        self.assertEqual(r.code, 2)
        self.assertIn("a\\x1b]0;title\\x07", r.err)

    def test_lists_may_come_from_windows(self):
        names = os.path.join(self.folder, "list.txt")
        with open(names, "w", newline="") as f:
            f.write(self.one + "\r\n\r\n")
        self.assertEqual([x["file"] for x in self.lines(whynot("explain", "--from", names, "-m", "tiny", *self.local))], [self.one])

    def test_a_terminal_gets_words_and_a_drawing_in_half_blocks(self):
        r = on_terminal("explain", self.one, "-m", "tiny", "-q", "3", *self.local, env={"COLORTERM": "truecolor"})
        self.assertEqual(r.code, 0, r.out)
        self.assertIn("rather than", r.out)
        rows = [line for line in r.out.splitlines() if "\u2580" in line]
        self.assertGreater(len(rows), 8)
        self.assertIn("\x1b[38;2;", rows[0])

    def test_the_words_say_what_red_speaks_for(self):
        def ask(*question):
            words = ["explain", self.one, "-m", "tiny", *question, *self.local]
            r = on_terminal(*words, env={"COLORTERM": "truecolor"})
            return json.loads(whynot(*words, "--json").out), " ".join(" ".join(line for line in r.out.splitlines() if "\u2580" not in line).split())
        two_sided = lambda i: 0.05 < ask("--contrast", "logit", "--target", str(i))[0]["maps"][0]["share_positive"] < 0.95
        target = str(next(i for i in range(len(daemon.LABELS)) if two_sided(i)))
        a, said = ask("--contrast", "logit", "--target", target)
        label, score, share = a["target"]["label"], a["target"]["logit"], a["maps"][0]["share_positive"]
        self.assertIn("red speaks for '%s', blue against it" % label, said)
        self.assertIn("%.0f %% of all evidence speaks for the class" % (100 * share), said)
        _, said = ask("--contrast", "regression", "--target", target, "--value", repr(score - 1))
        self.assertIn("why does '%s' score %.4g, rather than %.4g?" % (label, score, score - 1), said)
        self.assertIn("red speaks for '%s', blue against it" % label, said)
        self.assertIn("%.0f %% of all evidence speaks for the class" % (100 * share), said)
        _, said = ask("--contrast", "regression", "--target", target, "--value", repr(score + 1))
        self.assertIn("red speaks against '%s', blue for it" % label, said)
        self.assertIn("%.0f %% of all evidence speaks against the class" % (100 - 100 * share), said)
        _, said = ask("--contrast", "cross-entropy", "--target", target, "-q", target)
        self.assertIn("red speaks against '%s', blue for it" % label, said)
        _, said = ask("--contrast", "cross-entropy", "--target", "0", "-q", "3")
        self.assertIn("red speaks against '%s', blue for it" % daemon.LABELS[3], said)

    def test_the_words_name_every_class_and_what_hiding_showed(self):
        ask = lambda *words: (whynot("explain", self.one, "-m", "tiny", *self.local, *words, "--json"), whynot("explain", self.one, "-m", "tiny", *self.local, *words, "--text").out)
        sets = ("-w", "3", "-w", "4", "-q", "5", "-q", "6", "--contrast", "subset")
        r, said = ask(*sets)
        first = said.splitlines()[1]
        for c in json.loads(r.out)["targets"] + json.loads(r.out)["why_not"]:
            self.assertIn("'%s' (" % c["label"], first)
        self.assertNotIn("keeping only", said)
        self.assertIn("\n  %s (subset, " % " or ".join(c["label"] for c in json.loads(r.out)["targets"]), said)
        r, said = ask(*sets, "--evidence", "mask")
        self.assertIn("\n  " + json.loads(r.out)["evidence"]["masking"][0]["words"] + "\n", said)

    def test_no_share_is_said_of_a_map_that_has_one_side(self):
        ask = lambda method, *words: whynot("explain", self.one, "-m", "tiny", *self.local, "--method", method, "-w", target, *words)
        for target in map(str, range(len(daemon.LABELS))):
            if 0.05 < json.loads(ask("gradcam", "--json").out)["maps"][0]["share_positive"] < 0.95:
                break
        for method, share in (("gradcam", True), ("layercam", False), ("eigencam", False)):
            r = ask(method, "--text")
            self.assertEqual((r.code, " of all evidence speaks" in r.out), (0, share), r.out)
        self.assertIn(": the map is strongest at the", r.out)
        self.assertNotIn("for the class", r.out)

    def test_no_color_means_words_alone(self):
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            r = on_terminal("explain", self.one, "-m", "tiny", *self.local, env=env)
            self.assertEqual(r.code, 0)
            self.assertIn("why '", r.out)
            self.assertNotIn("\x1b", r.out)

    def test_a_terminal_that_has_sixel_graphics_gets_them(self):
        r = on_terminal("explain", self.one, "-m", "tiny", *self.local, answer=b"\x1b[?62;4;22c")
        self.assertIn("\x1bP0;1q", r.out)
        self.assertNotIn("\u2580", r.out)

    def test_sixel_graphics_hold_the_picture(self):
        r = whynot("explain", self.one, "-m", "tiny", "--draw", "sixel", *self.local)
        w, h, pixels = read_sixel(r.bytes[r.bytes.index(b"\x1bP"):])
        self.assertEqual(h, 320)
        self.assertEqual(w, 2 * (24 * 320 // 20) + 8)
        self.assertEqual(len(pixels), w * h)  # every pixel was painted
        _, _, _, rows = daemon.read_png(open(self.one, "rb").read())
        whole = [rows[1 + (24 * 3 + 1) * 10 + 3 * 12 + c] for c in range(3)]  # the middle of the picture, dithered around its colour
        near = [pixels[(384 // 2 + dx, 160 + dy)] for dx in range(4) for dy in range(4)]
        for c in range(3):
            self.assertLess(abs(sum(p[c] for p in near) / 16 * 2.55 - whole[c]), 40)

    def test_sixel_graphics_keep_every_row_and_column_in_its_place(self):
        def lit(x, y):
            return (x + 3 * y) % 7 == 0 or y % 6 == 1
        path = os.path.join(self.folder, "rows.png")
        with open(path, "wb") as f:
            f.write(daemon.png(9, 320, lambda x, y: [255 * lit(x, y)] * 3))
        r = whynot("draw", path, "--as", "sixel")
        self.assertEqual(r.code, 0, r.err)
        w, h, pixels = read_sixel(r.bytes)
        self.assertEqual((w, h), (9, 320))
        self.assertEqual({at: p[0] == 100 for at, p in pixels.items()}, {(x, y): lit(x, y) for x in range(9) for y in range(320)})

    def test_kittys_graphics_hold_a_png(self):
        r = on_terminal("explain", self.one, "-m", "tiny", *self.local, env={"TERM": "xterm-kitty"})
        pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", r.out)
        self.assertTrue(pieces and pieces[0][0].startswith("a=T,f=100,") and pieces[-1][0].endswith("m=0"))
        self.assertTrue(all(len(p[1]) <= 4096 for p in pieces))
        w, h, color, _ = daemon.read_png(base64.b64decode("".join(p[1] for p in pieces)))
        self.assertEqual((w, h, color), (776, 320, 2))

    def test_progress_has_rate_and_remaining_time_and_goes_to_a_terminal_only(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
            self.many(folder, 60)
            r = on_terminal("explain", folder, "-m", "tiny", "--output", os.path.join(out, "a.jsonl"), *self.local)
            self.assertEqual(r.code, 0)
            self.assertRegex(r.out, r"\[#+\]  60/60  [0-9.]+/s  0:00 left")
            r = whynot("explain", folder, "-m", "tiny", "--output", os.path.join(out, "b.jsonl"), *self.local)
            self.assertEqual((r.code, r.out, r.err), (0, "", ""))
            r = on_terminal("explain", folder, "-m", "tiny", "--output", os.path.join(out, "c.jsonl"), *self.local, env={"TERM": "dumb"})
            self.assertEqual((r.code, r.out), (0, ""))


def read_sixel(data):
    """(width, height, {(x, y): (r, g, b) in percent}) of what a sixel terminal would paint."""
    body = data[data.index(b"q") + 1:data.index(b"\x1b\\")].decode()
    palette, pixels, x, y, color = {}, {}, 0, 0, 0
    w = h = None
    at = 0
    while at < len(body):
        found = re.compile(r'"1;1;(\d+);(\d+)').match(body, at)
        if found:
            w, h = int(found.group(1)), int(found.group(2))
            at = found.end()
            continue
        found = re.compile(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?").match(body, at)
        if found:
            color = int(found.group(1))
            if found.group(2):
                palette[color] = tuple(int(found.group(i)) for i in (2, 3, 4))
            at = found.end()
            continue
        if body[at] in "$-":
            x, y, at = 0, y + 6 * (body[at] == "-"), at + 1
            continue
        found = re.compile(r"(?:!(\d+))?([?-~])").match(body, at)
        for _ in range(int(found.group(1) or 1)):
            for bit in range(6):
                if (ord(found.group(2)) - 63) >> bit & 1:
                    assert (x, y + bit) not in pixels, "painted twice"
                    pixels[(x, y + bit)] = palette[color]
            x += 1
        at = found.end()
    return w, h, pixels


if __name__ == "__main__":
    unittest.main()
