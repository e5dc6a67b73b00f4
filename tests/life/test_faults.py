"""A device that fails: out of memory is survived, a lost device ends the process in time with everything answered."""
import os
import signal
import tempfile
import unittest

import life
from life import daemon
import device_loss


class Faults(life.Folder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.small = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.small.cleanup)
        daemon.tiny_models(cls.small.name)

    def start(self, fault, *options, folder=None):
        """The fault's runs are counted from here on, when all is warm."""
        d = life.faulty(folder or self.small.name, "--request-timeout-ms", "60000", *options, environment={"WHYNOT_FAULT": fault})
        d.process.send_signal(signal.SIGUSR2)
        daemon.wait_until(lambda: "armed\n" in d.errors())
        return d

    def test_a_failure_that_passes_is_one_answer_with_503(self):
        with self.start("device@armed=1") as d:
            a = d.explain(daemon.picture(1))
            self.assertEqual((a.status, a.json["code"], a.headers["Retry-After"]), (503, "DEVICE", "1"), a.body)
            self.assertEqual(d.explain(daemon.picture(1)).status, 200)
            self.assertEqual(d.get("/readyz").status, 200)

    def test_no_memory_for_a_batch_halves_it_and_all_are_answered(self):
        gather = ["--max-batch-size", "8", "--preferred-batch-size", "4", "--max-queue-delay-us", "1000000"]
        body = {"instances": [{"image": {"b64": daemon.b64(daemon.picture(i))}} for i in range(4)]}
        answers = {}
        for fault in ("none@armed=0", "memory@armed=1"):
            with self.start(fault, *gather) as d:
                a = d.ask(body)
                self.assertEqual(a.status, 200, a.body[:300])
                answers[fault] = [x["maps"] for x in a.json["explanations"]]
                self.assertEqual(d.metric("whynot_batch_size_count"), 1, "it was one batch")
        self.assertEqual(*answers.values())

    def test_no_memory_for_the_maps_of_every_class_of_a_batch_is_one_run_for_each_picture(self):
        gather = ["--max-batch-size", "8", "--preferred-batch-size", "4", "--max-queue-delay-us", "1000000"]
        body = {"instances": [{"image": {"b64": daemon.b64(daemon.picture(i))}} for i in range(4)], "why_not": "all"}
        answers = {}
        for fault in ("none@armed=0", "memory@armed=1", "memory@armed=2", "device@armed=1", "shortage@armed=1"):
            with self.start(fault, *gather) as d:
                a = d.ask(body)
                self.assertEqual(d.metric("whynot_batch_size_count"), 1, "it was one batch")
                answers[fault] = [x.get("maps") or x["code"] for x in a.json["explanations"]] if "explanations" in a.json else [a.json["code"]] * 4
        maps = answers["none@armed=0"]
        self.assertEqual(len(set(m[0]["data"] for m in maps)), 4)
        self.assertEqual(answers["memory@armed=1"], maps)  # the first run is that of all
        self.assertEqual(answers["memory@armed=2"], maps)
        self.assertEqual((answers["device@armed=1"], answers["shortage@armed=1"]), (["DEVICE"] * 4, ["NO_MEMORY"] * 4))

    def test_no_memory_for_the_halves_either_is_503_and_the_daemon_lives(self):
        gather = ["--max-batch-size", "8", "--preferred-batch-size", "4", "--max-queue-delay-us", "1000000"]
        body = {"instances": [{"image": {"b64": daemon.b64(daemon.picture(i))}} for i in range(4)]}
        with self.start("shortage@armed=1", *gather) as d:
            a = d.ask(body)
            self.assertEqual({x["code"] for x in a.json["explanations"]} if a.status == 200 else {a.json["code"]}, {"NO_MEMORY"}, a.body[:500])
            for _ in range(3):
                a = d.explain(daemon.picture(1))
                self.assertEqual((a.status, a.json["code"], a.headers["Retry-After"]), (503, "NO_MEMORY", "1"))
            self.assertEqual(d.get("/readyz").status, 200)

    def test_a_lost_device_ends_the_process_in_time_and_everybody_is_answered(self):
        def start():
            return self.start("lost@armed=8", "--max-queue-size", "500", "--max-queue-wait-ms", "0", folder=self.folder.name)

        def ask(d, i, n, connection):
            return d.explain(daemon.picture(i, 64, 64), "", "slow", connection=connection)
        loss = device_loss.watch(start, 10, ask, tries=3)
        self.assertEqual(loss.count(503), 10, loss.answers)  # each client's last question, in flight when it happened
        self.assertEqual({connection for _, status, connection in loss.answers if status == 503}, {"close"})

    def test_a_device_lost_while_models_are_loaded_ends_the_process_with_70(self):
        d = life.faulty(self.small.name, environment={"WHYNOT_FAULT": "lost@run=2"}, wait=False)
        self.assertEqual(d.process.wait(30), 70)
        d.process.stdout.close()
        d.log.close()

    def ends_with_70(self, fault, path, body, *options, folder=None, before=lambda: None):
        """The daemon that is asked so after it was armed."""
        d = self.start(fault, *options, folder=folder)
        before()
        a = d.ask(body, path)
        self.assertIn(a.status, (202, 503), a.body)
        self.assertEqual(d.process.wait(60), 70, d.errors())
        self.assertIn("the device is lost", d.errors())
        d.process.stdout.close()
        d.log.close()

    EVALUATION = {"methods": "gradcam", "contrasts": "logit", "metrics": "confidence", "instances": [{"image": {"b64": daemon.b64(daemon.picture(1))}}]}

    def test_a_device_lost_in_an_evaluation_ends_the_process_with_70(self):
        self.ends_with_70("lost@armed=3", "/v1/models/tiny/evaluate", self.EVALUATION)

    def test_a_device_lost_while_an_evaluation_makes_its_engine_ends_the_process_with_70(self):
        self.ends_with_70("lost@compile=1", "/v1/models/tiny/evaluate", self.EVALUATION)

    def test_a_device_lost_while_a_model_is_loaded_anew_ends_the_process_with_70(self):
        with tempfile.TemporaryDirectory() as folder:
            daemon.tiny_models(folder)
            manifest = os.path.join(folder, "other", "manifest.json")

            def change():
                with open(manifest) as f:
                    text = f.read()
                with open(manifest, "w") as f:
                    f.write(text.replace("random weights", "other weights"))
            self.ends_with_70("lost@compile=1", "/v2/repository/models/other/load", {}, "--model-control", folder=folder, before=change)

    def test_the_ordinary_daemon_knows_no_faults(self):
        with open(os.environ["WHYNOTD"], "rb") as f:
            words = f.read()
        for word in (b"WHYNOT_FAULT", b"WHYNOT_APART", b"WHYNOT_PLAIN"):
            self.assertNotIn(word, words)


if __name__ == "__main__":
    unittest.main()
