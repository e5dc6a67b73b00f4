"""The supervisor: starts the worker again, keeps the port, passes signals on, gives up with words."""
import http.client
import json
import os
import re
import signal
import socket
import threading
import unittest

import life
from life import daemon


def state(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().split()[2]


class Supervise(life.Folder):
    def start(self, *options, **more):
        return daemon.Daemon(self.folder.name, "--supervise", *options, **more)

    def workers(self, d):
        return [int(m) for m in re.findall(r"worker (\d+) started", d.errors())]

    def ready(self, d):
        try:
            return d.get("/readyz").status == 200
        except OSError:
            return False

    def end(self, d, code):
        self.assertEqual(d.process.wait(60), code, d.errors())
        d.process.stdout.close()
        text = d.errors()
        d.log.close()
        return text

    def test_a_killed_worker_is_started_again_and_the_port_stays(self):
        with self.start() as d:
            for n in (1, 2):
                old = self.workers(d)[-1]
                self.assertNotEqual(old, d.process.pid)
                os.kill(old, signal.SIGKILL)
                s = socket.create_connection(("127.0.0.1", d.port), 5)  # not refused, though nobody is there
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                s.settimeout(20)
                got = s.recv(100)
                s.close()
                if got:  # it may have been taken in by the one that was just being killed
                    self.assertTrue(got.startswith(b"HTTP/1.1 200"), got)
                daemon.wait_until(lambda: len(self.workers(d)) == n + 1 and self.ready(d))
                self.assertEqual(d.explain(daemon.picture(1)).status, 200)
            self.assertIn("was killed by signal 9", d.errors())

    def test_the_supervisor_opens_no_device_and_loads_nothing(self):
        with self.start() as d:
            with open("/proc/%d/status" % d.process.pid) as f:
                status = f.read()
            threads = int(re.search(r"Threads:\s*(\d+)", status).group(1))
            self.assertLessEqual(threads, 2)  # one; a sanitizer may have one more
            links = {os.readlink("/proc/%d/fd/%s" % (d.process.pid, fd)) for fd in os.listdir("/proc/%d/fd" % d.process.pid)}
            self.assertFalse([x for x in links if "nvidia" in x or self.folder.name in x])

    def test_signals_are_passed_on(self):
        with self.start("--drain-ms", "300") as d:
            daemon.write_model(self.folder.name, "late", __import__("tiny_onnx").classifier(seed=5), daemon.LABELS, 16)
            d.process.send_signal(signal.SIGHUP)
            daemon.wait_until(lambda: d.explain(daemon.picture(1), "", "late").status == 200)
            results = []
            t = threading.Thread(target=lambda: results.append(d.explain(daemon.picture(1, 64, 64), "", "slow").status))
            t.start()
            daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") >= 2 or results)
            d.process.send_signal(signal.SIGTERM)
            daemon.wait_until(lambda: d.get("/readyz").status == 503)
            t.join()
            self.assertEqual(results, [200])

    def test_a_lost_device_is_a_restart(self):
        d = life.faulty(self.folder.name, "--supervise", environment={"WHYNOT_FAULT": "lost@run=60"})
        statuses = []
        while len(self.workers(d)) < 2 and len(statuses) < 100:
            try:
                statuses.append(d.explain(daemon.picture(1)).status)
            except (OSError, http.client.HTTPException):
                pass
        self.assertIn("ended with status 70", d.errors())
        self.assertLessEqual(set(statuses), {200, 503})
        daemon.wait_until(lambda: self.ready(d))
        self.assertEqual(d.explain(daemon.picture(1)).status, 200)
        d.process.send_signal(signal.SIGTERM)
        self.end(d, 0)

    def test_it_gives_up_on_a_worker_that_dies_at_once_each_time(self):
        d = life.faulty(self.folder.name, "--supervise", "--restart-limit", "2", environment={"WHYNOT_FAULT": "lost@run=2"}, wait=False)
        text = self.end(d, 71)
        self.assertEqual(text.count("started\""), 3, text)
        self.assertIn("the supervisor gives up", text)

    def test_a_device_that_is_lost_three_times_in_a_minute_is_given_up(self):
        d = life.faulty(self.folder.name, "--supervise", environment={"WHYNOT_FAULT": "lost@run=2"}, wait=False)
        text = self.end(d, 71)
        self.assertEqual(text.count("started\""), 3, text)
        self.assertIn("status 70, as when a device is lost, 3 times within a minute", text)

    def test_what_is_wrong_from_the_start_is_said_once(self):
        for options, code in ((["--models", "/nowhere"], 3), (["--precision", "f99"], 2), (["--host", "1.2.3.4"], 1)):
            d = daemon.Daemon(self.folder.name, "--supervise", *options, wait=False) if "--models" not in options else \
                daemon.Daemon("/nowhere", "--supervise", wait=False)
            text = self.end(d, code)
            self.assertLessEqual(text.count("started\""), 1, text)

    def test_a_worker_whose_supervisor_is_killed_ends_as_if_asked(self):
        d = self.start()
        worker = self.workers(d)[-1]
        os.kill(d.process.pid, signal.SIGKILL)
        d.process.wait(10)
        daemon.wait_until(lambda: not os.path.exists("/proc/%d" % worker) or state(worker) == "Z")
        with self.assertRaises(OSError):
            d.get("/livez")
        d.process.stdout.close()
        d.log.close()

    def test_inherited_sockets_and_the_watchdog_reach_the_worker(self):
        ear = life.Ear()
        s = life.listener()
        p = life.inheriting([os.environ["WHYNOTD"], self.folder.name, "--supervise"], [s], "http",
                            dict(ear.environment, WATCHDOG_USEC="1000000", WATCHDOG_PID="1"))
        ear.hear("READY=1")
        ear.hear("WATCHDOG=1")
        c = http.client.HTTPConnection("127.0.0.1", s.getsockname()[1], timeout=20)
        c.request("GET", "/v1/models")
        self.assertEqual(json.loads(c.getresponse().read())["models"][0]["ready"], True)
        c.close()
        ear.close()
        life.end(p)
        s.close()


if __name__ == "__main__":
    unittest.main()
