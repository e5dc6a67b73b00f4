"""doctor and config: what is well, what is not, and what to do about it."""
import json
import os
import platform
import socket
import tempfile
import threading
import unittest

from command import daemon, whynot
import tiny_onnx


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.models = daemon.tiny_models(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def findings(self, *words, code=0, env=None):
        r = whynot("doctor", "--json", "--models", self.models, *words, env=env)
        self.assertEqual(r.code, code, r.out + r.err)
        answer = json.loads(r.out)
        self.assertEqual(answer["troubles"], sum(f["needed"] and not f["ok"] for f in answer["findings"]))
        self.assertTrue(all(f["ok"] or f["mending"] for f in answer["findings"]))
        return answer["findings"]

    def test_a_machine_that_is_well_is_told_so(self):
        found = {(f["part"], f["topic"]): f for f in self.findings()}
        for topic in ("processor", "instructions", "cores", "memory", "open files"):
            self.assertIn(("machine", topic), found)
        self.assertEqual(found["models", "tiny"]["value"], "12 classes")
        self.assertIn("f64", found["ref", "computes on"]["value"])
        computing = {part for part, topic in found if topic == "computes on"}
        self.assertIn("ref", computing)
        for part in computing:
            self.assertEqual(found[part, "a convolution, a product"]["value"], "right")
        r = whynot("doctor", "--models", self.models)
        self.assertIn("all is well", r.out)

    def test_onednn_says_its_version_and_instructions(self):
        found = {(f["part"], f["topic"]): f for f in self.findings()}
        if ("onednn", "oneDNN") not in found:
            self.skipTest("built without oneDNN")
        self.assertRegex(found["onednn", "oneDNN"]["value"], r"^\d+\.\d+\.\d+$")
        if platform.machine() != "x86_64":
            self.assertNotRegex(found["onednn", "oneDNN's instructions"]["value"], "avx|sse|bf16")
            return  # oneDNN's limit is of x86 processors
        slow = self.findings("--backend", "onednn", code=1, env={"ONEDNN_MAX_CPU_ISA": "SSE41"})
        self.assertTrue(any("ONEDNN_MAX_CPU_ISA" in f["mending"] for f in slow if not f["ok"]))  # a build with CUDA misses a driver too

    def test_a_gpu_that_does_not_answer_is_never_claimed(self):
        has_gpu = os.path.exists("/proc/driver/nvidia/version")
        r = whynot("doctor", "--backend", "cuda", "--models", self.models)
        if has_gpu:
            self.skipTest("there is a GPU here")
        self.assertEqual(r.code, 1)
        self.assertIn("->", r.out)
        self.assertNotIn("compute capability", r.out)

    def test_it_says_where_a_gpus_plans_are_kept(self):
        def said(*words, code=0, **env):
            return next(f["value"] for f in self.findings(*words, code=code, env=env) if f["topic"] == "a GPU's plans")
        with tempfile.TemporaryDirectory() as folder:
            nowhere, new = os.path.join(folder, "a", "b", "c"), os.path.join(folder, "new")
            auto, kept, none = dict(CACHE_DIRECTORY="", XDG_CACHE_HOME="", HOME="", WHYNOT_PLAN_CACHE="auto"), "timed, and kept in %s", "not timed, and not kept"
            self.assertEqual(said(HOME=folder), none)
            self.assertEqual(said(**dict(auto, HOME=folder)), kept % (folder + "/.cache/whynot"))
            self.assertEqual(said(**dict(auto, HOME=nowhere, XDG_CACHE_HOME=folder)), kept % (folder + "/whynot"))
            self.assertEqual(said(**dict(auto, HOME=nowhere, CACHE_DIRECTORY=folder + ":/else")), kept % folder)
            self.assertEqual(said(**dict(auto, HOME=nowhere)), none)
            self.assertEqual(said(**auto), none)
            self.assertEqual(said(WHYNOT_PLAN_CACHE=new), kept % new)
            self.assertEqual(said(WHYNOT_PLAN_CACHE=nowhere, code=1), none)
            self.assertEqual(os.listdir(folder), [])
        at_root = "/whynot-that-nobody-made"
        if os.access("/", os.W_OK):
            self.assertEqual(said(WHYNOT_PLAN_CACHE=at_root), "timed, and kept in " + at_root)
        self.assertFalse(os.path.exists(at_root))

    def test_each_trouble_comes_with_its_mending_and_the_exit_code_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            daemon.write_model(folder, "bad", b"no network", ["a"], 16)
            r = whynot("doctor", "--models", folder)
            self.assertEqual(r.code, 1)
            lines = r.out.splitlines()
            at = [i for i, line in enumerate(lines) if line.startswith("!!")]
            self.assertEqual(len(at), 1, r.out)
            self.assertIn("-> ", lines[at[0] + 1])
            self.assertRegex(lines[at[0]], "^!! +models +bad +cannot be used$")
        r = whynot("doctor", "--models", self.models, "--server", "http://127.0.0.1:1")
        self.assertEqual(r.code, 1)
        self.assertIn("cannot be reached", r.out)
        self.assertEqual(whynot("doctor", "--backend", "abacus", "--models", self.models).code, 1)

    def test_two_folders_of_one_name_and_version_are_not_both_well(self):
        with tempfile.TemporaryDirectory() as folder:
            daemon.tiny_models(folder)
            second = daemon.write_model(folder, "twin", tiny_onnx.classifier(seed=3, classes=4), ["a", "b", "c", "d"], 16)
            with open(os.path.join(second, "manifest.json")) as f:
                manifest = json.load(f)
            with open(os.path.join(second, "manifest.json"), "w") as f:
                json.dump(dict(manifest, name="tiny"), f)
            r = whynot("doctor", "--models", folder, "--json")
            self.assertEqual(r.code, 1)
            trouble, = [f for f in json.loads(r.out)["findings"] if f["needed"] and not f["ok"]]
            self.assertEqual((trouble["topic"], trouble["value"]), ("twin", "cannot be used"))
            self.assertIn("the folder tiny has a model of the same name and version", trouble["mending"])
            with daemon.Daemon(folder, "--access-log=false") as d:
                states = [[(m["name"], m["state"], m.get("reason")) for m in json.loads(whynot("models", "--json", *where).out)["models"]]
                          for where in (["--models", folder], ["--server", "127.0.0.1:%d" % d.port])]
                self.assertEqual(states[0], states[1])
                self.assertEqual([s for _, s, _ in states[0]].count("failed"), 1)
            r = whynot("labels", "-m", "tiny", "--models", folder)  # the one that answers goes on answering
            self.assertEqual((r.code, len(r.out.splitlines())), (0, 13), r.err)

    def test_a_daemon_that_is_ready_is_well(self):
        with daemon.Daemon(self.models, "--access-log=false") as d:
            r = whynot("doctor", "--models", self.models, "--server", "http://127.0.0.1:%d" % d.port)
            self.assertEqual(r.code, 0, r.out)
            self.assertRegex(r.out, r"daemon .* ready")

    def test_a_server_that_answers_is_not_to_be_started(self):
        """Whatever answers for it: the line is about what came, and not about a connection that there was."""
        start, another, refused = "start it, or correct", "another program answers there: correct --server", "no daemon answers there, or"
        cases = [(b"SSH-2.0-OpenSSH_9.2\r\n", "answers, but not as a server of http does", another), (b"HTTP/9.9 banana\r\n\r\n", "answers, but not as", another),
                 (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "larger than 1024 MiB", another),
                 (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "status 404", refused), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "status 200", refused),
                 (None, "cannot be reached", start)]
        for reply, value, mending in cases:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                if reply:
                    s.listen()
                    threading.Thread(target=self.answer, args=(s, reply), daemon=True).start()
                trouble, = [f for f in self.findings("--server", "http://127.0.0.1:%d" % s.getsockname()[1], code=1) if f["part"] == "daemon"]
                self.assertIn(value, trouble["value"])
                self.assertEqual([words for words in (start, another, refused) if words in trouble["mending"]], [mending], (reply, trouble))
        trouble, = [f for f in self.findings("--server", "ftp://127.0.0.1", code=1) if f["part"] == "daemon"]
        self.assertEqual((trouble["value"], "correct --server" in trouble["mending"]), ("cannot be asked", True))

    @staticmethod
    def answer(listener, reply):
        try:
            while True:
                with listener.accept()[0] as c:
                    c.recv(4096)
                    c.sendall(reply)
        except OSError:
            pass  # the test is over

    def test_every_option_of_the_daemon_has_its_value_and_where_it_came_from(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "c.json")
            with open(file, "w") as f:
                f.write('{"port": 1234, "workers": 3, "host": "127.0.0.9"}')
            words = ["config", "--effective", "--config", file, "--workers", "5", "/some/models"]
            r = whynot(*words, "--json", env={"WHYNOT_HOST": "127.0.0.8"})
            self.assertEqual(r.code, 0, r.err)
            values = json.loads(r.out)
            self.assertEqual(values["port"], {"value": 1234, "from": "file"})
            self.assertEqual(values["workers"], {"value": 5, "from": "flag"})
            self.assertEqual(values["host"], {"value": "127.0.0.8", "from": "environment"})
            self.assertEqual(values["models"], {"value": "/some/models", "from": "flag"})
            self.assertEqual(values["backend"], {"value": "auto", "from": "default"})
            table = whynot(*words, env={"WHYNOT_HOST": "127.0.0.8"}).out.splitlines()
            self.assertEqual([line.split()[0] for line in table], list(values))
            listed = {line.split()[0][2:].replace("-", "_") for line in whynot("config").out.splitlines() if line.startswith("  --")}
            self.assertEqual(set(values) - listed, set())

    def test_a_wrong_option_is_said_as_the_daemon_says_it(self):
        r = whynot("config", "--effective", "--prot", "1")
        self.assertEqual(r.code, 2)
        self.assertIn("did you mean 'port'", r.err)


if __name__ == "__main__":
    unittest.main()
