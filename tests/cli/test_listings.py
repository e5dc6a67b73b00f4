"""models, labels, layers, methods, contrasts: tables for people, the daemon's JSON for programs."""
import http.server
import json
import os
import socket
import subprocess
import tempfile
import threading
import unittest

from command import clean_environment, daemon, whynot


class Listings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.models = daemon.tiny_models(cls.temporary.name)
        cls.d = daemon.Daemon(cls.models, "--access-log=false").__enter__()
        cls.wheres = (["--models", cls.models], ["--server", "127.0.0.1:%d/" % cls.d.port])

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.temporary.cleanup()

    def test_tables_name_what_the_daemon_lists(self):
        for command, path, key, words in (("labels", "models/tiny/labels", "labels", ["-m", "tiny"]), ("methods", "methods", "methods", []),
                                          ("contrasts", "contrasts", "contrasts", []), ("layers", "models/tiny/layers", "layers", ["-m", "tiny"]),
                                          ("models", "models", "models", [])):
            rows = self.d.get("/v1/" + path).json[key]
            self.assertTrue(rows)
            for where in self.wheres:
                r = whynot(command, *words, *where)
                self.assertEqual((r.code, r.err), (0, ""))
                lines = r.out.splitlines()
                self.assertEqual(len(lines), len(rows) + 1)
                for line, row in zip(lines[1:], rows):
                    self.assertIn(row.get("name", row.get("label")), line)
                j = whynot(command, "--json", *words, *where)
                self.assertEqual([x.get("name", x.get("label")) for x in json.loads(j.out)[key]], [x.get("name", x.get("label")) for x in rows])

    def test_a_model_that_failed_is_listed_with_its_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            daemon.tiny_models(folder)
            daemon.write_model(folder, "bad", b"no network", ["a"], 16)
            r = whynot("models", "--models", folder)
            head, bad, *others = r.out.splitlines()
            reason, = [m["reason"] for m in json.loads(whynot("models", "--json", "--models", folder).out)["models"] if m["state"] == "failed"]
            self.assertRegex(head, "REASON$")
            self.assertTrue(bad.startswith("bad ") and bad.endswith(reason), bad)
            self.assertEqual(len(others), 2)
        self.assertNotIn("REASON", whynot("models", "--models", self.models).out)

    def test_methods_and_contrasts_need_no_models(self):
        with tempfile.TemporaryDirectory() as empty:
            for command in ("methods", "contrasts"):
                self.assertEqual(whynot(command, "--models", os.path.join(empty, "none")).code, 0)
            self.assertEqual(whynot("models", "--models", os.path.join(empty, "none")).code, 3)

    def test_labels_are_found_by_words(self):
        for where in self.wheres:
            r = whynot("labels", "turn", "-m", "tiny", *where)
            self.assertEqual(len(r.out.splitlines()), 5, r.out)
            self.assertEqual(whynot("labels", "-m", "none", *where).code, 3)
            self.assertEqual(whynot("labels", *where).code, 2)

    def test_every_command_has_help_that_names_its_options(self):
        listed = [line.split()[0] for line in whynot("--help").out.split("\n\n")[2].splitlines()]
        self.assertGreater(len(listed), 5)
        for command in listed:
            a, b = whynot(command, "--help"), whynot("help", command)
            self.assertEqual((a.code, a.err), (0, ""), command)
            self.assertEqual(a.out, b.out)
            self.assertTrue(a.out.startswith("usage: whynot " + command))
            self.assertTrue(all(len(line) <= 110 for line in a.out.splitlines() if not line.startswith("  whynot")), command)
            self.assertEqual(whynot(command, "--no-such-option-at-all").code, 2, command)
        self.assertEqual(whynot("nothing").code, 2)
        self.assertEqual(whynot().code, 2)
        self.assertRegex(whynot("--version").out, r"^whynot \d+\.\d+\.\d+\n$")

    def test_a_daemon_that_is_silent_is_not_waited_for_for_ever(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            r = whynot("models", "--server", "http://127.0.0.1:%d" % silent.getsockname()[1], "--patience", "1")
        self.assertEqual((r.code, r.out), (4, ""))
        self.assertIn("cannot be reached", r.err)
        r = whynot("models", "--server", "ftp://127.0.0.1")
        self.assertEqual(r.code, 2)
        self.assertIn("http://", r.err)

    def test_an_answer_that_cannot_be_taken_is_said_and_not_asked_for_again(self):
        class Endless(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked.append(self.path)
                self.send_response(200)
                if self.path == "/v1/models":
                    self.end_headers()
                    return self.wfile.write(b'{"models": [{"name": "m", "version": "1"}]}')
                if self.server.announced:
                    self.send_header("Content-Length", str(2 << 30))
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b" " * (1 << 20))
                except OSError:  # the other side has had enough
                    pass

            def log_message(self, *unused):
                pass
        for announced, words in ((True, "larger than 1024 MiB"), (False, "no memory for the answer")):
            if not announced and os.environ.get("WHYNOT_SANITIZED"):
                continue  # sanitizers reserve more than any limit
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
                server.asked, server.announced = [], announced
                threading.Thread(target=server.serve_forever, daemon=True).start()
                url = "http://127.0.0.1:%d" % server.server_port
                r = subprocess.run(["sh", "-c", 'ulimit -v %s; exec "$0" "$@"' % ("unlimited" if announced else 1 << 19), os.environ["WHYNOT"],
                                    "labels", "--server", url, "--patience", "2"], capture_output=True, text=True, env=clean_environment(), timeout=60)
                server.shutdown()
            self.assertEqual((r.returncode, r.stdout), (5, ""), r.stderr)
            self.assertIn(words, r.stderr)
            self.assertIn(url, r.stderr)
            self.assertEqual([path.split("?")[0] for path in server.asked], ["/v1/models", "/v1/models/m/labels"])

    def test_a_full_disk_is_not_success(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            self.assertEqual(subprocess.run([os.environ["WHYNOT"], "methods"], stdout=full, stderr=subprocess.DEVNULL).returncode, 5)


if __name__ == "__main__":
    unittest.main()
