# SPDX-License-Identifier: Apache-2.0
"""HTTP over kept connections, tried again where that is safe; knows nothing of questions.

Every request of this package may be sent again: questions change nothing on the server. Tried again are connections that failed or broke, and the
statuses 429 and 503, after Retry-After or a wait that doubles. A timeout is not: the time is up."""
from __future__ import annotations

import email.utils
import http.client
import random
import socket
import ssl
import threading
import time
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import SplitResult, urlsplit

from .errors import ConnectionFailed, TimedOut, WhynotError, from_body

AGAIN = (429, 503)
MOST_WAIT_S = 20.0
MOST_TIMEOUT_S = 2e6  # 23 days: a socket waits no longer than 2^31 ms
Reply = Tuple[int, http.client.HTTPMessage, bytes]


class Abort:
    """Lets another thread give an exchange up: its connection is cut, and the server drops the work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Optional[http.client.HTTPConnection] = None
        self.done = threading.Event()

    def watch(self, connection: Optional[http.client.HTTPConnection]) -> None:
        with self._lock:
            self._connection = connection

    def check(self) -> None:
        if self.done.is_set():
            raise WhynotError("the question was given up")

    def now(self) -> None:
        self.done.set()
        with self._lock:
            sock = self._connection.sock if self._connection else None
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def wait_of(header: Optional[str]) -> Optional[float]:
    """Retry-After: seconds or a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError, IndexError):
        return None


def _address(url: str) -> SplitResult:
    """What of it would not be used is refused."""
    try:
        parts = urlsplit(url if "://" in url else "http://" + url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # of the port
        good = False
    if not good or any(c.isspace() for c in url):
        raise ValueError("the server's address is like http://127.0.0.1:8420, not %r" % url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the server's address holds no name and password: a key is said by key=")
    return parts


def _is_other(error: Exception) -> bool:
    """Another kind of server, which asking again does not change: bytes came, and were no head of HTTP, or none of TLS."""
    if isinstance(error, ssl.SSLError):
        return error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # the second since OpenSSL 3.2
    return isinstance(error, http.client.BadStatusLine) and not isinstance(error, http.client.RemoteDisconnected)


def _seconds(timeout: Any) -> float:
    seconds = float(timeout) if hasattr(timeout, "__float__") and not isinstance(timeout, bool) else float("nan")
    if seconds != seconds:
        raise ValueError("a timeout is a number of seconds, not %r" % (timeout,))
    return min(seconds, MOST_TIMEOUT_S)


class Transport:
    """Any thread; keeps at most `connections` idle connections."""

    def __init__(self, url: str, key: Optional[str], timeout: float, retries: int, connections: int, context: Optional[ssl.SSLContext]) -> None:
        parts = _address(url)
        if key is not None and (not key or not key.isascii() or not key.isprintable() or " " in key):
            raise ValueError("the key is not a token: letters, digits and -._~+/= without spaces")
        self.host, self.port, self.base = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/")
        self.context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self.timeout, self.retries, self.most_idle = _seconds(timeout), retries, connections
        self.headers = {"Accept": "application/json", "User-Agent": "whynot-python/0.1.0"}
        if key is not None:
            self.headers["Authorization"] = "Bearer " + key
        self._idle: List[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    # ---- connections ----

    def _connect(self) -> http.client.HTTPConnection:
        if self.context:
            return http.client.HTTPSConnection(self.host, self.port, context=self.context)
        return http.client.HTTPConnection(self.host, self.port)

    def _take(self) -> Tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._closed:
                raise WhynotError("this client was closed")
            if self._idle:
                return self._idle.pop(), True
        return self._connect(), False

    def _leave(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < self.most_idle:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection in idle:
            connection.close()

    # ---- one exchange ----

    def limit(self, timeout: Optional[float]) -> float:
        """Seconds for one call; None: the client's own."""
        return self.timeout if timeout is None else _seconds(timeout)

    def _send(self, connection: http.client.HTTPConnection, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]) -> bool:
        """False: the server closed before all was sent, as it does with what is too large, and may have said why."""
        try:
            connection.request(method, self.base + path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _exchange(self, connection: http.client.HTTPConnection, method: str, path: str, body: Optional[bytes], headers: Dict[str, str],
                  left: float, abort: Optional[Abort]) -> Reply:
        connection.timeout = left
        if connection.sock is None:
            if abort:
                abort.check()
            connection.connect()
        if abort:
            abort.check()  # there was no socket to cut before
        sock: Any = connection.sock
        sock.settimeout(left)
        sent = self._send(connection, method, path, body, headers)
        response = connection.getresponse()
        data = response.read()
        if response.will_close or not sent:
            connection.close()
        return response.status, response.headers, data

    def _once(self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str], end: float, abort: Optional[Abort]) -> Reply:
        """A kept connection that the server closed meanwhile is replaced by a new one, which is no second try."""
        while True:
            connection, kept = self._take()
            good = False
            try:
                if abort:
                    abort.watch(connection)
                reply = self._exchange(connection, method, path, body, headers, max(end - time.monotonic(), 0.001), abort)
                good = connection.sock is not None
                return reply
            except socket.timeout:
                raise
            except (OSError, http.client.HTTPException):
                if not kept or (abort and abort.done.is_set()):
                    raise
            finally:
                if abort:
                    abort.watch(None)
                if good:
                    self._leave(connection)
                else:
                    connection.close()

    def _pause(self, attempt: int, wanted: Optional[float], end: float, abort: Optional[Abort]) -> bool:
        """False: there is no time left for it, or the question was given up. Waits are spread, so that many clients do not come back at once."""
        wait = 0.1 * 2.0 ** attempt if wanted is None else wanted
        wait = min(wait, MOST_WAIT_S) * (1 + 0.25 * random.random())
        if time.monotonic() + wait >= end:
            return False
        if abort:
            return not abort.done.wait(wait)
        time.sleep(wait)
        return True

    def call(self, method: str, path: str, body: Optional[bytes] = None, more: Optional[Mapping[str, str]] = None, timeout: Optional[float] = None,
             abort: Optional[Abort] = None, retries: Optional[int] = None) -> Reply:
        """The answer with status 200; anything else is raised. timeout: of all tries together, seconds."""
        limit = self.limit(timeout)
        end = time.monotonic() + limit
        most = self.retries if retries is None else retries
        headers = {**self.headers, **(more or {})}
        attempt = 0
        while True:
            error: WhynotError
            wanted: Optional[float] = None
            try:
                status, found, data = self._once(method, path, body, headers, end, abort)
                if status == 200:
                    return status, found, data
                wanted = wait_of(found.get("Retry-After"))
                error = from_body(status, data, wanted)
                if status not in AGAIN:
                    raise error
            except socket.timeout:
                raise TimedOut("no answer from %s within %g s" % (self.host, limit)) from None
            except ssl.SSLCertVerificationError as e:
                raise ConnectionFailed("the certificate of %s is not to be trusted: %s" % (self.host, e)) from e
            except http.client.InvalidURL as e:
                raise ValueError("this is no path: %s" % e) from None
            except (OSError, http.client.HTTPException) as e:
                if _is_other(e):
                    raise ConnectionFailed("%s port %d answers, but not as a server of %s does: %s" %
                                           (self.host, self.port, "https" if self.context else "http", e)) from e
                error = ConnectionFailed("%s port %d cannot be reached: %s" % (self.host, self.port, e or type(e).__name__))
            if (abort and abort.done.is_set()) or attempt >= most or not self._pause(attempt, wanted, end, abort):
                raise error
            attempt += 1
