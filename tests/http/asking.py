"""A test case with a daemon that serves the tiny network, and what tests of questions and answers share."""
import base64
import struct
import tempfile
import unittest

import daemon

LARGE_BATCHES = ["--workers", "1", "--max-batch-size", "8", "--preferred-batch-size", "8", "--max-queue-delay-us", "2000"]  # gathers up to eight pictures and waits for them


def raw_map(m):
    values = base64.b64decode(m["raw"]["data"], validate=True)
    n = m["raw"]["shape"][0] * m["raw"]["shape"][1]
    return struct.unpack("<%df" % n, values)


def form(*fields):
    """multipart/form-data: (name, bytes) each."""
    mark = b"--a-boundary"
    body = b"".join(mark + b'\r\nContent-Disposition: form-data; name="' + n.encode() + b'"\r\n\r\n' + v + b"\r\n" for n, v in fields)
    return body + mark + b"--\r\n", {"Content-Type": "multipart/form-data; boundary=a-boundary"}


class Tiny(unittest.TestCase):
    options = []

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.d = daemon.Daemon(daemon.tiny_models(cls.folder.name), *cls.options).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()


class Asking(Tiny):
    def good(self, answer):
        self.assertEqual(answer.status, 200, answer.body[:400])
        return answer.json

    def problem(self, answer, status, code, pointer=None):
        self.assertEqual(answer.status, status, answer.body[:400])
        p = answer.json
        self.assertEqual((p["code"], p["instance"]), (code, "urn:whynot:request:" + p["request_id"]), p)
        if pointer is not None:
            self.assertEqual([e["pointer"] for e in p["errors"]], [pointer], p)
        return p
