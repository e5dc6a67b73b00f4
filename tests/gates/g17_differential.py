#!/usr/bin/env python3
"""G17: raw requests that two parties could cut differently, sent to the daemon and through HAProxy as deploy/ configures it. Each answer is the one of
the table. Behind each request stands another: directly it may be executed only where the first has one meaning; through the proxy, which gives every
request that it forwards an X-Request-Id of its own, none may arrive with the id that stands in the first one's bytes."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from gate import ROOT, daemon, figure, finish, free_port

H, CRLF = b"Host: 127.0.0.1\r\n", b"\r\n"
PATH = b"/v1/models/tiny/explain"
POST, GET = b"POST " + PATH + b" HTTP/1.1\r\n" + H, b"GET /livez HTTP/1.1\r\n" + H
CL, TE = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
END, CHUNK = b"0\r\n\r\n", b"1\r\nx\r\n0\r\n\r\n"
picture = daemon.picture(1)
GOOD = POST + b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture
CHUNKED = POST + b"Content-Type: image/png\r\n" + TE + b"\r\n%x\r\n" % len(picture) + picture + b"\r\n" + END


def post(*lines, body=END):
    return POST + b"".join(lines) + CRLF + body


def get(*lines, first=b"GET /livez HTTP/1.1"):
    return first + CRLF + H + b"".join(lines) + CRLF


# name: (bytes, statuses directly, statuses through HAProxy 2.6). "2 then": the request behind it is executed too. "-": closed without an answer.
# "400 400" is one answer of the HTTP library's own, whose first line it sends twice.
CASES = {
    # who says where the body ends
    "CL then TE": (post(CL, TE), "400", "400"),
    "TE then CL": (post(TE, CL), "400", "400"),
    "CL 0 then TE": (post(b"Content-Length: 0\r\n", TE), "400", "400"),
    "two CL that differ": (post(CL, b"Content-Length: 6\r\n"), "400", "400"),
    "two CL that agree": (post(CL, CL, body=b"x" * 5), "400", "415 then"),
    "CL with a list": (post(b"Content-Length: 5, 5\r\n", body=b"x" * 5), "400 400", "415 then"),
    "CL with a sign": (post(b"Content-Length: +5\r\n", body=b"x" * 5), "400 400", "400"),
    "CL below zero": (post(b"Content-Length: -5\r\n", body=b"x" * 5), "400 400", "400"),
    "CL in hexadecimal": (post(b"Content-Length: 0x5\r\n", body=b"x" * 5), "400 400", "400"),
    "CL empty": (post(b"Content-Length:\r\n"), "400 400", "400"),
    "CL of 2^64-1": (post(b"Content-Length: 18446744073709551615\r\n"), "413", "408"),
    "CL of 2^64+5": (post(b"Content-Length: 18446744073709551621\r\n", body=b"x" * 5), "413 413", "400"),
    "CL beyond the limit": (post(b"Content-Length: 99999999\r\n"), "413", "408"),
    "CL with a blank before the colon": (post(b"Content-Length : 5\r\n", body=b"x" * 5), "400", "400"),
    "CL behind a fold": (post(b"Content-Length:\r\n 5\r\n", body=b"x" * 5), "400", "415 then"),
    "CL on GET": (GET + b"Content-Length: 5\r\n\r\nxxxxx", "400", "400 then"),
    "TE on GET": (GET + TE + CRLF + END, "400", "400 then"),
    "TE gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n"), "400", "422"),
    "TE chunked, chunked": (post(b"Transfer-Encoding: chunked, chunked\r\n"), "400", "400"),
    "TE xchunked": (post(b"Transfer-Encoding: xchunked\r\n"), "400", "400"),
    "TE identity": (post(b"Transfer-Encoding: identity\r\n"), "400", "400"),
    "TE identity and CL": (post(b"Transfer-Encoding: identity\r\n", CL, body=b"x" * 5), "400", "400"),
    "TE empty": (post(b"Transfer-Encoding:\r\n"), "400", "400"),
    "TE quoted": (post(b"Transfer-Encoding: \"chunked\"\r\n"), "400", "400"),
    "TE with a parameter": (post(b"Transfer-Encoding: chunked;q=1\r\n"), "400", "400"),
    "TE behind a vertical tab": (post(b"Transfer-Encoding: \x0bchunked\r\n"), "400", "400"),
    "TE twice": (post(TE, TE), "400", "400"),
    "TE chunked, then identity": (post(TE, b"Transfer-Encoding: identity\r\n"), "400", "400"),
    "TE with a blank before the colon": (post(b"Transfer-Encoding : chunked\r\n"), "400", "400"),
    "TE with a blank before the colon, and CL": (post(b"Transfer-Encoding : chunked\r\n", CL), "400", "400"),
    "TE behind a fold, and CL": (post(b"Transfer-Encoding:\r\n chunked\r\n", CL), "400", "400"),
    "TE in a fold of another line": (post(b"X: a\r\n Transfer-Encoding: chunked\r\n", CL, body=b"x" * 5), "400", "415 then"),
    "TE in HTTP/1.0": (b"POST " + PATH + b" HTTP/1.0\r\n" + TE + CRLF + END, "400", "400"),
    "TE hidden behind a bare CR": (post(b"X: a\rTransfer-Encoding: chunked\r\n", CL, body=b"x" * 5), "400", "400"),
    "TE hidden behind a bare LF": (post(b"X: a\nTransfer-Encoding: chunked\r\n", CL), "400", "400"),
    "TE whose name holds a zero": (post(b"Transfer-Encoding\0: chunked\r\n", CL, body=b"x" * 5), "400", "400"),
    # chunks
    "chunk size below zero": (post(TE, body=b"-1\r\nx\r\n0\r\n\r\n"), "400", "400"),
    "chunk size 0x1": (post(TE, body=b"0x1\r\nx\r\n0\r\n\r\n"), "400", "400"),
    "chunk size of 2^64": (post(TE, body=b"10000000000000000\r\nx\r\n0\r\n\r\n"), "413", "400"),
    "chunk that ends in LF": (post(TE, body=b"1\nx\n0\n\n"), "415", "415 then"),
    "chunk longer than it says": (post(TE, body=b"1\r\nxx\r\n0\r\n\r\n"), "400", "400"),
    "chunk with an extension": (post(TE, body=b"1;a=b\r\nx\r\n0\r\n\r\n"), "415", "415 then"),
    "trailer that says TE": (post(TE, body=b"1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), "415", "415 then"),
    # lines
    "fold": (post(b"X: a\r\n b\r\n", CL, body=b"x" * 5), "400", "415 then"),
    "LF alone, everywhere": (get().replace(b"\r\n", b"\n"), "400", "200 then"),
    "LF alone behind a header": (get(b"X: a\n"), "400", "200 then"),
    "head that ends in LF LF": (GET + b"X: a\n\n", "400", "200 then"),
    "CR alone in a value": (get(b"X: a\rb\r\n"), "400", "400"),
    "zero in a value": (get(b"X: a\0b\r\n"), "400", "400 then"),
    "zero in the path": (get(first=b"GET /livez\0x HTTP/1.1"), "400", "400"),
    "empty name": (get(b": a\r\n"), "400", "400"),
    "name with a blank": (get(b"X Y: a\r\n"), "400", "400"),
    "name with a control character": (get(b"X\x01: a\r\n"), "400", "400"),
    "line without a colon": (get(b"nothing\r\n"), "400", "400"),
    "first header folded": (b"GET /livez HTTP/1.1\r\n X: a\r\n" + H + CRLF, "400", "400"),
    # hosts and targets
    "two Host": (get(H), "400", "200 then"),
    "two Host that differ": (get(b"Host: evil\r\n"), "400", "400"),
    "no Host": (b"GET /livez HTTP/1.1\r\n\r\n", "400 400", "400 400 then"),
    "Host of another": (b"GET /livez HTTP/1.1\r\nHost: evil\r\n\r\n", "421", "421 then"),
    "absolute form": (get(first=b"GET http://127.0.0.1/livez HTTP/1.1"), "400", "400 then"),
    "absolute form that differs from Host": (get(first=b"GET http://evil/livez HTTP/1.1"), "400", "400"),
    "two blanks in the first line": (get(first=b"GET  /livez HTTP/1.1"), "400", "200 then"),
    "a tab in the first line": (get(first=b"GET\t/livez HTTP/1.1"), "400", "200 then"),
    "an escaped zero": (get(first=b"GET /livez%00 HTTP/1.1"), "400", "400 then"),
    "dots": (get(first=b"GET /x/../livez HTTP/1.1"), "404", "404 then"),
    "HTTP/1.2": (get(first=b"GET /livez HTTP/1.2"), "400", "200 then"),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "-"),
    "CONNECT": (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + H + CRLF, "405", "405 then"),
    "method that is none": (b"F<script> /livez HTTP/1.1\r\n" + H + CRLF, "405", "400"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x17" * 100 + b"\r\n\r\n", "-", "400"),
    "head of 20 KB": (get(b"X: " + b"a" * 20000 + CRLF), "431", "431 then"),
    "path of 40 KB": (get(first=b"GET /" + b"a" * 40000 + b" HTTP/1.1"), "431", "431 then"),
    "1000 headers": (get(b"X: y\r\n" * 1000), "431", "400"),
    "h2c": (get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n"), "200 then", "200 then"),
    # what is meant as it stands
    "one, and another": (GOOD, "200 then", "200 then"),
    "chunked, and another": (CHUNKED, "200", "200 then"),
    "five, and another": (GET + CRLF + GOOD + GET + CRLF + GOOD + GET + CRLF, "200 200 200 200 200 then", "200 200 200 200 200 then"),
    "a refused one, and another": (get(first=b"GET /nothing HTTP/1.1"), "404", "404 then"),
}


def probe(port, i, data):
    """(statuses, then?, closed?): what came back for a request and the one behind it."""
    behind = b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: behind-%03d\r\nConnection: close\r\n\r\n" % i
    out, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        try:
            s.sendall(data + behind)
        except OSError:
            pass
        try:
            while chunk := s.recv(65536):
                out += chunk
            closed = True
        except ConnectionResetError:
            closed = True
        except socket.timeout:
            pass
    return out, closed


def statuses(out):
    found = [s.decode() for s in re.findall(rb"HTTP/1\.[01] (\d{3}) ", out) if s != b"100"]
    if b'{"name":"whynot","version"' in out:
        found[-1] = "then"
    return " ".join(found) or "-"


def behind_executed(d):
    return {int(i) for i in re.findall(r'"request_id":"behind-(\d+)"', d.errors())}


def send_all(port):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: probe(port, i, list(CASES.values())[i][0]), range(len(CASES))))
    return [(statuses(out), closed, out) for out, closed in answers]


def replicas_file(folder, front, back):
    """deploy's configuration with one replica of this test's, and the mark on whatever the proxy forwards."""
    with open(os.path.join(ROOT, "deploy", "haproxy", "haproxy.cfg")) as f:
        text = f.read()
    text = re.sub(r"^ *server two .*\n", "", text, flags=re.M)
    text = text.replace(":8420", ":%d" % front).replace(":8421", ":%d" % back)
    text = text.replace("    default_backend", "    http-request set-header X-Request-Id through-the-proxy\n    default_backend")
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w") as f:
        f.write(text)
    return path


def is_up(port):
    try:
        return b" 200 " in probe(port, 999, GET.replace(b"livez", b"readyz") + b"Connection: close\r\n\r\n")[0][:20]
    except OSError:
        return False


def is_as(found, expected):
    """libmicrohttpd 1.0 says its first line once, refuses chunks that 0.9 reads, and closes the connection on some first lines."""
    return found == expected or (daemon.library_is_strict() and (found, expected) in {("400", "400 400"), ("413", "413 413"), ("400", "415"), ("-", "400")})


def compare(what, answers, column, judged=True):
    expected = [case[column] for case in CASES.values()]
    other = ["%s: %s, not %s" % (name, answers[i][0], expected[i]) for i, name in enumerate(CASES) if not is_as(answers[i][0], expected[i])]
    figure("G17 %s: answers that are not the table's" % what, len(other), "0 of %d" % len(CASES) if judged else "not judged", not other or not judged, "; ".join(other))
    still_open = [name for i, name in enumerate(CASES) if not answers[i][1]]
    figure("G17 %s: connections left open" % what, len(still_open), 0 if judged else "not judged", not still_open or not judged, "; ".join(still_open))


def proxied(folder, d):
    port, version = free_port(), subprocess.run(["haproxy", "-v"], stdout=subprocess.PIPE).stdout.decode()
    proxy = subprocess.Popen(["haproxy", "-db", "-f", replicas_file(folder, port, d.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        daemon.wait_until(lambda: is_up(port), 30)
        before = len(d.errors())
        answers = send_all(port)
        seen = {int(i) for i in re.findall(r'"request_id":"behind-(\d+)"', d.errors()[before:])}
        forwarded = d.errors()[before:].count('"request_id":"through-the-proxy"')
        figure("G17 through HAProxy: smuggled requests", len(seen), 0, not seen and forwarded > 10, "%d were forwarded; %s" % (forwarded, [list(CASES)[i] for i in seen if i < len(CASES)]))
        compare("through HAProxy", answers, 2, judged="version 2.6." in version)
    finally:
        proxy.terminate()
        proxy.wait()


def main():
    folder = tempfile.TemporaryDirectory()
    models = os.path.join(folder.name, "models")
    os.mkdir(models)
    daemon.tiny_models(models)
    with daemon.Daemon(models, "--header-timeout-ms", "2000", "--body-timeout-ms", "3000") as d:
        answers = send_all(d.port)
        allowed = {i for i, case in enumerate(CASES.values()) if "then" in case[1]}
        smuggled = [list(CASES)[i] for i in behind_executed(d) - allowed if i < len(CASES)]
        figure("G17 directly: smuggled requests", len(smuggled), 0, not smuggled and behind_executed(d) >= allowed, "; ".join(smuggled))
        compare("directly", answers, 1)
        if shutil.which("haproxy"):
            proxied(folder.name, d)
        else:
            print("haproxy is not installed: only half of it ran")
        status = d.explain(picture).status
        figure("G17: an ordinary request afterwards", status, 200, status == 200)
    folder.cleanup()
    finish()


if __name__ == "__main__":
    main()
