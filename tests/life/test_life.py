"""Start, notices, inherited sockets, reload and the end."""
import http.client
import os
import signal
import socket
import threading
import time
import unittest

import life
from life import daemon


class Life(life.Folder):
    def get(self, port, path="/readyz", host="127.0.0.1"):
        c = http.client.HTTPConnection(host, port, timeout=30)
        c.request("GET", path)
        r = c.getresponse()
        r.read()
        c.close()
        return r.status

    def test_systemd_hears_when_it_is_ready_reloads_and_stops(self):
        for abstract in (False, True):
            ear = life.Ear(abstract)
            with daemon.Daemon(self.folder.name, environment=ear.environment) as d:
                ready = ear.hear("READY=1")
                self.assertEqual(ready["STATUS"], "3 of 3 models answer on port %d" % d.port)
                before = time.clock_gettime(time.CLOCK_MONOTONIC)
                d.process.send_signal(signal.SIGHUP)
                reloading = ear.hear("RELOADING=1")
                self.assertLess(abs(int(reloading["MONOTONIC_USEC"]) / 1e6 - before), 5)
                ear.hear("READY=1")
                self.assertEqual(d.stop(), 0)
                ear.hear("STOPPING=1")
            ear.close()

    def test_it_is_not_ready_before_it_answers(self):
        ear = life.Ear()
        with daemon.Daemon(self.folder.name, environment=ear.environment) as d:
            ear.hear("READY=1")
            self.assertEqual(self.get(d.port), 200)
            self.assertEqual(len(ear.heard), 1)
        ear.close()

    def test_a_notify_socket_that_is_not_there_harms_nobody(self):
        for path in ("/nowhere/at/all", "relative", "", "/" + "x" * 200):
            with daemon.Daemon(self.folder.name, environment={"NOTIFY_SOCKET": path}) as d:
                self.assertEqual(self.get(d.port), 200)

    def test_the_watchdog_is_fed_while_workers_answer(self):
        ear = life.Ear()
        with daemon.Daemon(self.folder.name, environment=dict(ear.environment, WATCHDOG_USEC="1000000")) as d:
            ear.hear("READY=1")
            self.assertGreaterEqual(ear.count("WATCHDOG=1", 2.2), 4)
            before = d.metric("whynot_batch_size_count")
            daemon.wait_until(lambda: d.metric("whynot_batch_size_count") >= before + 2)  # the probe is work of the workers
        ear.close()

    def test_a_watchdog_of_another_process_is_not_fed(self):
        ear = life.Ear()
        with daemon.Daemon(self.folder.name, environment=dict(ear.environment, WATCHDOG_USEC="200000", WATCHDOG_PID="1")):
            ear.hear("READY=1")
            self.assertEqual(ear.count("WATCHDOG=1", 0.8), 0)
        ear.close()

    def test_a_worker_that_hangs_starves_the_watchdog(self):
        ear = life.Ear()
        hang = dict(ear.environment, WATCHDOG_USEC="400000", WHYNOT_FAULT="hang@armed=4")
        d = life.faulty(self.folder.name, environment=hang)
        ear.hear("READY=1")
        ear.hear("WATCHDOG=1")
        d.process.send_signal(signal.SIGUSR2)
        while ear.count("WATCHDOG=1", 0.6):  # each probe is a run: the fourth comes soon
            pass
        self.assertEqual(self.get(d.port, "/livez"), 200)
        d.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        begin = time.monotonic()
        d.process.send_signal(signal.SIGTERM)
        self.assertEqual(d.process.wait(30), 0)
        self.assertLess(time.monotonic() - begin, 3 + daemon.ROOM_S, "a thread that hangs must not hold up the end")
        d.process.stdout.close()
        d.log.close()
        ear.close()

    def test_inherited_sockets_are_all_listened_on(self):
        sockets = [life.listener(), life.listener()]
        path = os.path.join(self.folder.name, "unix")
        sockets.append(life.listener(path, socket.AF_UNIX))
        p = life.inheriting([os.environ["WHYNOTD"], self.folder.name], sockets, "http:more:local")
        daemon.wait_until(lambda: self.get(sockets[1].getsockname()[1]) == 200)
        for s in sockets[:2]:
            for _ in range(3):
                self.assertEqual(self.get(s.getsockname()[1]), 200)
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(path)
            c.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertTrue(c.recv(100).startswith(b"HTTP/1.1 200"))
        life.end(p)
        os.unlink(path)
        for s in sockets:
            s.close()

    def test_what_waits_in_an_inherited_socket_outlives_the_process(self):
        s = life.listener()
        port = s.getsockname()[1]
        waiting = socket.create_connection(("127.0.0.1", port))  # before anybody accepts
        waiting.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = life.inheriting([os.environ["WHYNOTD"], self.folder.name, "--drain-ms", "50"], [s])
        got = b""
        while b"\r\n\r\n" not in got:
            got += waiting.recv(4096)  # 503 while models are loaded is an answer too
        daemon.wait_until(lambda: self.get(port) == 200)
        life.end(first)
        late = socket.create_connection(("127.0.0.1", port), 5)  # nobody is there, and yet it is not refused
        late.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        second = life.inheriting([os.environ["WHYNOTD"], self.folder.name], [s])
        late.settimeout(30)
        self.assertTrue(late.recv(100).startswith(b"HTTP/1.1 200"))
        life.end(second)
        for c in (late, waiting, s):
            c.close()

    def test_what_is_no_listening_socket_is_refused_by_number_and_name(self):
        with socket.socket() as no_listener:
            p = life.inheriting([os.environ["WHYNOTD"], self.folder.name], [no_listener], "odd")
            self.assertEqual(p.wait(30), 1)
            text = life.said(p)
            self.assertIn("inherited socket 3 (odd)", text)
            p.stdout.close()
            p.log.close()

    def test_sockets_meant_for_another_process_are_left_alone(self):
        with daemon.Daemon(self.folder.name, environment={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as d:
            self.assertEqual(self.get(d.port), 200)

    def test_a_second_signal_ends_it_within_a_second_whatever_runs(self):
        d = daemon.Daemon(self.folder.name, "--backend", "ref", "--workers", "1", "--request-timeout-ms", "300000", "--shutdown-timeout-ms", "300000", "--max-queue-wait-ms", "0")
        statuses = []

        def ask():
            statuses.append(d.ask({"instances": [{"image": {"b64": daemon.b64(daemon.picture(i, life.SLOW_SIZE, life.SLOW_SIZE))}} for i in range(60)]},
                                  "/v1/models/slow/explain").status)
        t = threading.Thread(target=ask)
        t.start()
        daemon.wait_until(lambda: d.metric("whynot_queue_depth") > 20)
        d.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        begin = time.monotonic()
        d.process.send_signal(signal.SIGTERM)
        self.assertEqual(d.process.wait(30), 0)
        self.assertLess(time.monotonic() - begin, 1.5 + daemon.ROOM_S)
        t.join()
        self.assertEqual(statuses, [503])
        self.assertIn("stopped at once", d.errors())
        d.process.stdout.close()
        d.log.close()

    def fill_up(self, port, n):
        """So many clients that asked once and stay."""
        clients = []
        for _ in range(n):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            c.request("GET", "/livez")
            self.assertEqual(c.getresponse().read(), b'{"status":"alive"}')
            clients.append(c)
        return clients

    def wait_outside(self, port):
        """A client that the door has no room for, and that has asked already."""
        late = socket.create_connection(("127.0.0.1", port), 30)
        late.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        late.settimeout(0.3)
        self.assertRaises(socket.timeout, late.recv, 100)
        late.settimeout(30)
        return late

    def test_who_stays_and_asks_nothing_keeps_nobody_out_at_the_end(self):
        with daemon.Daemon(self.folder.name, "--max-connections", "8", "--shutdown-timeout-ms", "60000", "--idle-timeout-s", "3600") as d:
            clients = self.fill_up(d.port, 8)
            late = self.wait_outside(d.port)
            begin = time.monotonic()
            d.process.send_signal(signal.SIGTERM)
            self.assertTrue(late.recv(100).startswith(b"HTTP/1.1 200"))
            self.assertEqual(d.process.wait(70), 0)
            self.assertLess(time.monotonic() - begin, 3 + daemon.ROOM_S)
            self.assertNotIn("stopped at once", d.errors())
            for c in [late, *clients]:
                c.close()

    def test_who_has_begun_a_first_line_is_answered_though_the_end_has_begun(self):
        for asked in (False, True):  # on a new connection, and on one that was kept
            with daemon.Daemon(self.folder.name, "--shutdown-timeout-ms", "60000") as d:
                c = self.fill_up(d.port, 1)[0].sock if asked else socket.create_connection(("127.0.0.1", d.port), 30)
                c.sendall(b"GET /li")
                d.process.send_signal(signal.SIGTERM)
                time.sleep(1.5)  # longer than a new connection that says nothing is waited for
                self.assertIsNone(d.process.poll())
                c.sendall(b"vez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(c.recv(100).startswith(b"HTTP/1.1 200"))
                self.assertEqual(d.process.wait(30), 0)
                c.close()

    def test_a_second_signal_is_heard_while_somebody_waits_outside(self):
        d = daemon.Daemon(self.folder.name, "--max-connections", "8", "--shutdown-timeout-ms", "60000", "--header-timeout-ms", "60000")
        clients = [socket.create_connection(("127.0.0.1", d.port), 30) for _ in range(8)]
        for c in clients:
            c.sendall(b"GET /livez HTTP/1.1\r\n")  # and no more: they are not idle
        late = self.wait_outside(d.port)
        d.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        begin = time.monotonic()
        d.process.send_signal(signal.SIGTERM)
        self.assertEqual(d.process.wait(70), 0)
        self.assertLess(time.monotonic() - begin, 1.5 + daemon.ROOM_S)
        self.assertIn("stopped at once", d.errors())
        for c in [late, *clients]:
            c.close()
        d.process.stdout.close()
        d.log.close()

    def test_root_serves_others_only_when_that_is_meant(self):
        if os.geteuid() != 0:
            self.skipTest("this is not root")
        d = daemon.Daemon(self.folder.name, "--host", "0.0.0.0", "--insecure", wait=False)
        self.assertEqual(d.process.wait(30), 2)
        self.assertIn("--allow-root", d.errors())
        d.process.stdout.close()
        d.log.close()


if __name__ == "__main__":
    unittest.main()
