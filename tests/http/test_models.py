"""Models in operation: several versions side by side, loading and unloading while they are asked, and never a mixed answer."""
import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest

import daemon
import tiny_onnx
from daemon import picture

CONTROL = "--model-control"


def put(path, data):
    """As a whole or not at all, the way files should be replaced."""
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.rename(path + ".new", path)


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Models(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.models = self.folder.name
        self.nets = [tiny_onnx.classifier(seed=s) for s in (1, 2, 3)]

    def tiny(self, **more):
        return daemon.write_model(self.models, "tiny", self.nets[0], daemon.LABELS, 16, **more)

    def version(self, number, net, folder="tiny"):
        path = os.path.join(self.models, folder, number)
        os.makedirs(path)
        put(os.path.join(path, "model.onnx"), net)
        return path

    def versioned(self):
        """tiny/manifest.json and labels for all, tiny/1 and tiny/10 and tiny/9 with a network each."""
        os.remove(os.path.join(self.tiny(), "model.onnx"))
        for number, net in zip(("1", "10", "9"), self.nets):
            self.version(number, net)

    def post(self, d, path, body=None):
        return d.request("POST", path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})

    def load(self, d, name="tiny", what="load", **parameters):
        return self.post(d, "/v2/repository/models/%s/%s" % (name, what), {"parameters": parameters} if parameters else None)

    def index(self, d, body=None):
        return {(m["name"], m["version"]): m for m in self.post(d, "/v2/repository/index", body).json}

    def asked(self, d, query="", model="tiny"):
        a = d.explain(picture(1), query, model)
        self.assertEqual(a.status, 200, a.body)
        return a.json["model"]["version"], a.json["model"]["sha256"]

    # ---- versions ----

    def test_versions_are_served_side_by_side_and_the_newest_is_meant(self):
        self.versioned()
        with daemon.Daemon(self.models) as d:
            self.assertEqual(self.asked(d), ("10", sha(self.nets[1])))
            for number, net in zip(("1", "10", "9"), self.nets):
                want = (number, sha(net))
                self.assertEqual(self.asked(d, "?version=" + number), want)
                a = d.request("POST", "/v1/models/tiny/versions/%s/explain" % number, picture(1), {"Content-Type": "image/png"})
                self.assertEqual((a.json["model"]["version"], a.json["model"]["sha256"]), want)
                self.assertEqual(d.get("/v1/models/tiny/versions/" + number).json["sha256"], want[1])
            self.assertEqual(d.get("/v1/models/tiny").json["versions"], ["1", "9", "10"])
            self.assertEqual(sum("tiny" in line and "yes" in line for line in d.table), 3)
            a = d.explain(picture(1), "?version=11")
            self.assertEqual((a.status, a.json["code"], a.json["errors"][0]["pointer"]), (404, "NO_SUCH_MODEL", "/version"))
            self.assertIn("1", a.json["did_you_mean"])
            a = d.request("POST", "/v1/models/tiny/versions/9/explain?version=1", picture(1), {"Content-Type": "image/png"})
            self.assertEqual((a.status, a.json["errors"][0]["pointer"]), (400, "/version"))

    def test_one_batch_may_ask_two_versions(self):
        self.versioned()
        image = {"b64": daemon.b64(picture(1))}
        with daemon.Daemon(self.models) as d:
            a = d.ask({"image": image, "instances": [{"version": "1"}, {"version": "9"}, {}, {"version": "x"}]})
            got = a.json["explanations"]
            self.assertEqual([g["model"]["version"] for g in got[:3]], ["1", "9", "10"])
            self.assertEqual(got[3]["code"], "NO_SUCH_MODEL")

    def test_a_version_may_have_its_own_manifest_and_labels(self):
        self.versioned()
        own = self.version("2024-06", tiny_onnx.classifier(seed=5, classes=2))
        with open(os.path.join(own, "labels.txt"), "w") as f:
            f.write("yes\nno\n")
        with open(os.path.join(own, "manifest.json"), "w") as f:
            json.dump({"version": "2024-06", "input": {"size": [16, 16]}}, f)
        with daemon.Daemon(self.models) as d:
            self.assertEqual([x["label"] for x in d.get("/v1/models/tiny/labels").json["labels"]], ["yes", "no"])
            self.assertEqual(self.asked(d)[0], "2024-06")

    def test_a_version_that_fails_leaves_the_next_newest_in_its_place(self):
        self.versioned()
        self.version("11", b"not a network")
        other = self.version("12", self.nets[0])
        with open(os.path.join(other, "manifest.json"), "w") as f:
            json.dump({"version": "13", "input": {"size": [16, 16]}}, f)
        with daemon.Daemon(self.models) as d:
            self.assertEqual(self.asked(d)[0], "10")
            a = d.explain(picture(1), "?version=11")
            self.assertEqual((a.status, a.json["code"]), (503, "NOT_READY"))
            rows = self.index(d)
            self.assertEqual(rows["tiny", "11"]["state"], "UNAVAILABLE")
            self.assertIn("its folder is '12'", rows["tiny", "12"]["reason"])

    # ---- loading and unloading ----

    def test_control_is_off_unless_asked_for(self):
        self.tiny()
        with daemon.Daemon(self.models) as d:
            for what in ("load", "unload"):
                a = self.load(d, what=what)
                self.assertEqual((a.status, a.json["code"]), (403, "FORBIDDEN"))
            self.assertEqual(self.index(d)["tiny", "1"]["state"], "READY")

    def test_unload_and_load(self):
        self.versioned()
        with daemon.Daemon(self.models, CONTROL) as d:
            a = self.load(d, what="unload", version="10")
            self.assertEqual((a.status, a.json), (200, {}))
            self.assertEqual(self.asked(d)[0], "9")
            self.assertEqual(d.explain(picture(1), "?version=10").status, 404)
            self.assertEqual(self.load(d, what="unload", unload_dependents=False).status, 200)
            self.assertEqual(d.explain(picture(1)).status, 404)
            self.assertEqual({m["state"] for m in self.index(d).values()}, {"UNAVAILABLE"})
            self.assertEqual(self.index(d, {"ready": True}), {})
            daemon.wait_until(lambda: d.metric("whynot_models_bytes") == 0)
            self.assertEqual(d.get("/readyz").status, 200)
            self.assertEqual(self.load(d, version="1").status, 200)
            self.assertEqual(self.asked(d)[0], "1")
            self.assertEqual(self.load(d).status, 200)
            self.assertEqual(self.asked(d)[0], "10")

    def test_a_new_folder_can_be_loaded(self):
        self.tiny()
        with daemon.Daemon(self.models, CONTROL) as d:
            a = self.load(d, "other")
            self.assertEqual((a.status, a.json["code"]), (404, "NO_SUCH_MODEL"))
            daemon.write_model(self.models, "other", self.nets[1], daemon.LABELS, 16)
            self.assertEqual(self.load(d, "other").status, 200)
            self.assertEqual(self.asked(d, model="other"), ("1", sha(self.nets[1])))
            self.assertEqual(self.load(d, what="unload", name="nobody").status, 404)

    def test_what_clients_may_not_say(self):
        self.tiny()
        with daemon.Daemon(self.models, CONTROL) as d:
            for body in ({"path": "/etc"}, {"parameters": {"config": "{}"}}, {"parameters": {"file:1/model.onnx": "AAAA"}}, {"url": "s3://x"},
                         {"parameters": 3}, {"parameters": {"version": 1}}, {"parameters": {"version": "x" * 65}}, [], "x"):
                self.assertEqual(self.post(d, "/v2/repository/models/tiny/load", body).status, 400, body)
            self.assertEqual(self.post(d, "/v2/repository/index", {"ready": "yes"}).status, 400)
            self.assertEqual(d.request("POST", "/v2/repository/models/tiny/load", b"{", {"Content-Type": "application/json"}).status, 400)
            self.assertNotIn("secret", d.request("POST", "/v2/repository/models/tiny/load", b"{secret}", {"Content-Type": "application/json"}).json["detail"])
            self.assertEqual(d.request("POST", "/v2/repository/models/tiny/load", b" " * 70000).status, 413)
            for name in ("..", "%2e%2e", "..%2f..%2fetc", ".hidden", "a" * 65, "tiny%2f1"):
                self.assertIn(self.load(d, name).status, (404,), name)

    def test_a_failed_reload_keeps_the_old_and_says_why(self):
        path = os.path.join(self.tiny(), "model.onnx")
        with daemon.Daemon(self.models, CONTROL) as d:
            old = self.asked(d)
            for bad in (b"rubbish", self.nets[1][:len(self.nets[1]) // 2], b"", tiny_onnx.classifier(classes=3)):
                put(path, bad)
                a = self.load(d)
                self.assertEqual((a.status, a.json["code"]), (422, "BAD_MODEL"), a.body)
                self.assertEqual(self.asked(d), old)
                row = d.get("/v1/models/tiny").json
                self.assertEqual((row["ready"], bool(row["reload_failed"])), (True, True))
                self.assertTrue(self.index(d)["tiny", "1"]["reason"])
            os.remove(path)
            self.assertEqual(self.load(d).status, 404)
            self.assertEqual(self.asked(d), old)
            put(path, self.nets[1])
            self.assertEqual(self.load(d).status, 200)
            self.assertEqual(self.asked(d), ("1", sha(self.nets[1])))
            self.assertNotIn("reload_failed", d.get("/v1/models/tiny").json)

    def test_links_are_not_followed(self):
        self.tiny()
        elsewhere = tempfile.TemporaryDirectory()
        self.addCleanup(elsewhere.cleanup)
        daemon.write_model(elsewhere.name, "far", self.nets[1], daemon.LABELS, 16)
        os.symlink(os.path.join(elsewhere.name, "far"), os.path.join(self.models, "far"))
        near = daemon.write_model(self.models, "near", self.nets[1], daemon.LABELS, 16)
        os.link(os.path.join(near, "model.onnx"), os.path.join(elsewhere.name, "second-name"))
        with daemon.Daemon(self.models, CONTROL) as d:
            rows = {m["name"]: m for m in d.get("/v1/models").json["models"]}
            self.assertEqual({n: m["ready"] for n, m in rows.items()}, {"tiny": True, "far": False, "near": False})
            self.assertIn("links", rows["far"]["reason"])
            self.assertIn("hard link", rows["near"]["reason"])
            self.assertEqual(self.load(d, "far").status, 404)

    # ---- SIGHUP ----

    def test_sighup_makes_it_as_the_folder_is(self):
        self.versioned()
        daemon.write_model(self.models, "gone", self.nets[1], daemon.LABELS, 16)
        with daemon.Daemon(self.models) as d:
            self.version("11", self.nets[2])
            daemon.write_model(self.models, "new", self.nets[1], daemon.LABELS, 16)
            put(os.path.join(self.models, "tiny/9/model.onnx"), self.nets[0])
            shutil.rmtree(os.path.join(self.models, "gone"))
            shutil.rmtree(os.path.join(self.models, "tiny/1"))
            d.process.send_signal(signal.SIGHUP)
            want = {("new", "1"), ("tiny", "9"), ("tiny", "10"), ("tiny", "11")}
            daemon.wait_until(lambda: set(self.index(d, {"ready": True})) == want)
            daemon.wait_until(lambda: self.asked(d, "?version=9")[1] == sha(self.nets[0]))
            self.assertEqual(self.asked(d), ("11", sha(self.nets[2])))
            self.assertEqual(d.explain(picture(1), "", "gone").status, 404)

    # ---- memory ----

    def test_a_model_beyond_the_budget_is_refused_with_both_figures(self):
        self.tiny()
        big = tiny_onnx.classifier(16, 160, 4, 5)
        daemon.write_model(self.models, "zz-big", big, ["a", "b", "c", "d"], 16)
        with daemon.Daemon(self.models, CONTROL, "--model-memory-mb", "2") as d:
            rows = {m["name"]: m for m in d.get("/v1/models").json["models"]}
            self.assertEqual({n: m["ready"] for n, m in rows.items()}, {"tiny": True, "zz-big": False})
            self.assertRegex(rows["zz-big"]["reason"], r"\d\.\d MB.* \d\.\d MB of .*model_memory_mb")
            a = self.load(d, "zz-big")
            self.assertEqual((a.status, a.json["code"]), (503, "NO_MEMORY"), a.body)
            self.assertEqual(self.asked(d)[0], "1")
            self.assertTrue(any("model_memory_mb" in line for line in d.table))

    def test_memory_of_weights_is_counted_once_for_all_workers(self):
        daemon.write_model(self.models, "tiny", tiny_onnx.classifier(8, 128, 4, 4), ["a", "b", "c", "d"], 8)
        rows = []
        for workers in ("1", "4"):
            with daemon.Daemon(self.models, "--workers", workers) as d:
                rows.append(d.get("/v1/models/tiny").json)
                self.assertEqual(d.metric('whynot_model_bytes{model="tiny",version="1"}'), rows[-1]["bytes"])
        one, four = rows
        self.assertEqual((one["workers"], four["workers"]), (1, 4))
        self.assertEqual(four["bytes"] - one["bytes"], 3 * one["worker_bytes"])
        self.assertLess(four["worker_bytes"], four["weight_bytes"])
        with daemon.Daemon(self.models, "--workers", "4", CONTROL) as d:
            def on_devices():
                lines = d.get("/metrics").body.decode().splitlines()
                return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("whynot_device_memory_bytes{"))
            self.assertEqual(on_devices(), four["bytes"] - four["weight_bytes"])
            self.assertEqual(self.load(d, what="unload").status, 200)
            self.assertEqual(on_devices(), 0)

    # ---- under load ----

    def test_reloads_under_load_lose_and_mix_nothing(self):
        path = os.path.join(self.tiny(), "model.onnx")
        with daemon.Daemon(self.models, CONTROL, "--workers", "2") as d:
            want = {}
            for net in self.nets[:2]:
                put(path, net)
                self.assertEqual(self.load(d).status, 200)
                want[sha(net)] = [self.parts(d.explain(picture(i), "?outputs=raw")) for i in range(4)]
            stop, seen = threading.Event(), [set() for _ in range(4)]

            def client(c):
                connection = d.connect()
                while not stop.is_set():
                    a = d.explain(picture(c), "?outputs=raw", connection=connection)
                    self.assertEqual(a.status, 200, a.body)
                    net = a.json["model"]["sha256"]
                    self.assertEqual(self.parts(a), want[net][c])
                    seen[c].add(net)
                connection.close()

            def reloader():
                try:
                    for i in range(20):
                        put(path, self.nets[i % 2] if i % 5 < 4 else b"rubbish")
                        self.assertEqual(self.load(d).status, 200 if i % 5 < 4 else 422)
                        time.sleep(0.02)
                finally:
                    stop.set()
            daemon.in_threads(5, lambda c: client(c) if c < 4 else reloader())
            self.assertEqual(set.union(*seen), set(want))
            one = d.metric('whynot_model_bytes{model="tiny",version="1"}')
            daemon.wait_until(lambda: d.metric("whynot_models_bytes") == one)

    @staticmethod
    def parts(answer):
        return {k: answer.json[k] for k in ("predictions", "target", "maps")}

    def test_sigterm_while_a_model_is_loaded(self):
        path = os.path.join(self.tiny(), "model.onnx")
        with daemon.Daemon(self.models, CONTROL, "--drain-ms", "0") as d:
            statuses = []

            def client(i):
                put("%s" % path + str(i), self.nets[i % 2])
                os.rename(path + str(i), path)
                try:
                    statuses.append(self.load(d).status)
                except OSError:
                    pass
            threads = [threading.Thread(target=client, args=(i,)) for i in range(6)]
            for t in threads:
                t.start()
            d.process.send_signal(signal.SIGTERM)
            for t in threads:
                t.join()
            self.assertEqual(d.process.wait(30), 0)
            self.assertLessEqual(set(statuses), {200, 503, 404, 422})


if __name__ == "__main__":
    unittest.main()
