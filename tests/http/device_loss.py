"""A daemon whose device is lost under its clients, and what the rule of faults asks of it: everybody is told (503), /readyz says so within 100 ms of the
first sign, and the process ends with status 70 within 2 s."""
import socket
import subprocess
import threading
import time

READY_S, END_S = 0.1, 2
SAID = "the device is lost"


class Slow(AssertionError):
    """Of a busy machine, perhaps."""


class Loss:
    """Clients of d who ask (ask(d, i, n, connection) answers) until the device is gone, and what all who looked on have seen of its end."""

    def __init__(self, d, clients, ask, patience_s=120):
        self.d, self.over, self.lock = d, threading.Event(), threading.Lock()
        self.answers, self.looks, self.signs = [], [], []  # (when, status, Connection), (asked when, status), when
        threads = [threading.Thread(target=self.client, args=(i, ask)) for i in range(clients)]
        threads += [threading.Thread(target=part) for part in (self.look, self.read_log, self.hold)]
        for t in threads:
            t.start()
        try:
            self.code = d.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            d.process.kill()
            self.code = d.process.wait(30)
        self.gone = time.monotonic()
        self.over.set()
        for t in threads:
            t.join()

    def client(self, i, ask):
        connection, n = self.d.connect(), 0
        while not self.over.is_set():
            try:
                a = ask(self.d, i, n, connection)
            except OSError:
                return  # gone, and asked after it had
            with self.lock:
                self.answers.append((time.monotonic(), a.status, a.headers["Connection"]))
                if a.status == 503:
                    self.signs.append(self.answers[-1][0])
            if a.status != 200:
                return
            n += 1

    def look(self):
        while not self.over.wait(0.005):
            asked = time.monotonic()
            try:
                self.looks.append((asked, self.d.get("/readyz").status))
            except OSError:
                pass  # going, or gone

    def read_log(self):
        while not self.over.wait(0.005):
            if SAID in self.d.errors():
                with self.lock:
                    self.signs.append(time.monotonic())
                return

    def hold(self):
        """A request of which the rest never comes: somebody whom the process waits for at its end, so that there is time to look."""
        head = b"POST /v1/models/tiny/explain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\n"
        while not self.over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.d.port), 60) as s:
                    s.sendall(head)
                    while s.recv(4096):
                        pass
            except OSError:
                pass
            time.sleep(0.01)

    def count(self, status):
        return sum(s == status for _, s, _ in self.answers)

    def judge(self, unseen):
        """seconds from the first sign to the end; unseen: from the last good answer before it. Slow where a time was missed that a busy machine may miss."""
        assert self.code == 70, (self.code, self.d.errors())
        assert SAID in self.d.errors(), self.d.errors()
        assert {s for _, s, _ in self.answers} == {200, 503}, self.answers
        sign = min(self.signs)
        # Not a matter of time where it is right: it is known to be lost before anybody is told.
        late = [asked - sign for asked, status in self.looks if status != 503 and asked > sign + READY_S]
        assert not late, "/readyz is not 503 %.2f s after the device was lost" % late[-1]
        if not any(status == 503 for _, status in self.looks):
            raise Slow("nobody has seen /readyz say that the device was lost")
        begin = max([when for when, status, _ in self.answers if status == 200 and when < sign], default=sign) if unseen else sign
        self.seconds = self.gone - begin
        if self.seconds >= END_S:
            raise Slow("it ended %.2f s after the device was lost" % self.seconds)
        return self


def watch(start, clients, ask, tries=1, unseen=False):
    """The Loss of a daemon that start() gives, judged; tries: so many, of which one in time is enough. unseen: also the time in which nobody but the device
    knows, where the device takes less than its part of the time for a run."""
    for left in range(tries - 1, -1, -1):
        d = start()
        try:
            return Loss(d, clients, ask).judge(unseen)
        except Slow:
            if not left:
                raise
        finally:
            d.process.stdout.close()
            d.log.close()
