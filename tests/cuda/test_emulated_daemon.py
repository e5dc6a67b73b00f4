"""The daemon on the emulation: two workers a device, several devices, one queue; the same bytes as with one of each, and a device that
fails for good ends the process. No card is in it: what passes here is "emulated"."""
import base64
import os
import re
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "http"))
import daemon  # noqa: E402

PICTURES = 12
QUESTION = "?why_not=auto:1"


def start(folder, devices, *options, **environment):
    return daemon.Daemon(folder, "--backend", "cuda", "--max-batch-size", "2", *options,
                         environment=dict(environment, WN_EMULATED_DEVICES=str(devices)))


def done(d, device, what="batches_total"):
    name = "emulation, sm_90, tf32"
    return d.metric('whynot_device_%s{device="%d",name="%s"}' % (what, device, name))


def ask_all(d, clients=4):
    """The drawn heatmap of every picture, asked by several at once."""
    bodies = [None] * PICTURES

    def client(i):
        connection = d.connect()
        for n in range(i, PICTURES, clients):
            a = d.explain(daemon.picture(n), QUESTION, connection=connection, Accept="image/png")
            assert a.status == 200, a.body
            bodies[n] = (a.headers["ETag"], a.body)
    daemon.in_threads(clients, client)
    return bodies


class Devices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.folder = cls.place.name
        daemon.write_model(cls.folder, "tiny", daemon.tiny_onnx.classifier(seed=1), daemon.LABELS, 16)

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def test_two_devices_with_two_workers_each_answer_as_one_of_each_does(self):
        with start(self.folder, 1, "--workers", "1") as d:
            self.assertEqual(d.metric("whynot_workers"), 1)
            alone = ask_all(d, 1)
        with start(self.folder, 2) as d:
            self.assertEqual(d.metric("whynot_workers"), 4)
            self.assertEqual([done(d, i, "workers") for i in (0, 1)], [2, 2])
            rows = [line.split() for line in d.table if "emulation, sm_90" in line]
            self.assertEqual([row[:2] for row in rows], [["0", "2"], ["1", "2"]])
            end = time.monotonic() + 120
            while time.monotonic() < end:
                self.assertEqual(ask_all(d), alone)
                if done(d, 0) and done(d, 1):
                    break
            self.assertGreater(done(d, 0, "images_total"), 0)
            self.assertGreater(done(d, 1, "images_total"), 0)

    def test_maps_of_every_class_of_several_pictures_are_each_pictures_own(self):
        def all_classes(i):
            a = d.explain(daemon.picture(i), "?why_not=all&outputs=raw&statistics=masks")
            assert a.status == 200, a.body
            answers[i] = [struct.unpack("<%df" % (m["raw"]["shape"][0] * m["raw"]["shape"][1]), base64.b64decode(m["raw"]["data"])) for m in a.json["maps"]]
        answers, each = {}, []
        for size, delay in (("1", "0"), ("4", "200000")):
            with daemon.Daemon(self.folder, "--backend", "cuda", "--workers", "1", "--max-batch-size", size, "--preferred-batch-size", size,
                               "--max-queue-delay-us", delay) as d:
                daemon.in_threads(PICTURES, all_classes)
                each.append(dict(answers))
                daemon.in_threads(PICTURES, all_classes)  # from what is kept
                self.assertEqual(answers, each[-1])
        for i in range(PICTURES):
            for got, want in zip(each[1][i], each[0][i]):
                self.assertLess(max(abs(g - w) for g, w in zip(got, want)), 1e-4 * max(map(abs, want)), i)

    def test_memory_counts_what_is_shared_once_for_each_device(self):
        with start(self.folder, 2) as d:
            m = d.get("/v1/models/tiny").json
            self.assertGreater(m["shared_bytes"], 0)
            self.assertEqual(m["bytes"], m["weight_bytes"] + 2 * m["shared_bytes"] + 4 * m["worker_bytes"])
            for device in (0, 1):
                self.assertEqual(done(d, device, "memory_bytes"), m["shared_bytes"] + 2 * m["worker_bytes"])

    def test_the_configuration_says_which_devices_compute(self):
        with start(self.folder, 3, "--devices", "2,1", "--workers", "1") as d:
            self.assertEqual(d.metric("whynot_workers"), 2)
            self.assertEqual([done(d, i, "workers") for i in (0, 1, 2)], [0, 1, 1])
            ask_all(d)
        d = daemon.Daemon(self.folder, "--backend", "cuda", "--devices", "0,2", environment={"WN_EMULATED_DEVICES": "2"}, wait=False)
        self.assertEqual(d.process.wait(120), 3)
        self.assertIn("there is no device 2; this machine has 2", d.errors())
        d.stop()

    def test_a_model_that_the_devices_libraries_do_not_take_is_slow_and_the_log_says_why(self):
        for libraries in ("none", "all"):
            with start(self.folder, 1, "--workers", "1", WN_EMULATED_LIBRARIES=libraries) as d:
                told = []
                for question in (QUESTION, "?method=ixg", "?method=ixg"):  # the way back is compiled when it is first asked for
                    self.assertEqual(d.explain(daemon.picture(1), question).status, 200)
                    told.append([int(n) for n in re.findall("model tiny: plain kernels, which are slow, do ([0-9]+) ", d.errors())])
                self.assertEqual([len(one) for one in told], [1, 2, 2] if libraries == "none" else [0, 0, 0])
                self.assertEqual(told[-1], sorted(set(told[-1])))

    def test_a_device_that_fails_for_good_ends_the_process_though_another_works(self):
        trigger = os.path.join(self.folder, "fault")
        d = start(self.folder, 2, WN_EMULATED_FAULT="700@device=1,file=" + trigger)
        ask_all(d)
        with open(trigger, "w"):
            pass
        self.addCleanup(os.unlink, trigger)
        statuses = set()

        def client(i):
            for n in range(2000):
                try:
                    statuses.add(d.explain(daemon.picture(i + 4 * n % PICTURES), QUESTION).status)
                except OSError:
                    return
        daemon.in_threads(4, client)
        self.assertEqual(d.process.wait(60), 70)
        self.assertLessEqual(statuses, {200, 503})
        self.assertIn("the device is lost", d.errors())
        d.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
