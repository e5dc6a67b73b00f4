"""First inputs and dictionaries of the fuzzers, made of the daemon's own tables: every field, option and route is in them."""
import base64
import glob
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PIXEL = os.path.join(ROOT, "tests", "media", "golden", "one_pixel.png")


def rows(path, kinds):
    with open(os.path.join(ROOT, path)) as f:
        return re.findall(r"^(?:%s)\((\w+), *\"?([^,\"]*)\"?" % kinds, f.read(), re.M)


def routes():
    with open(os.path.join(ROOT, "server", "routes.def")) as f:
        return sorted(set(re.findall(r"\"(/[^\"]*)\"", f.read())))


def seeds():
    with open(PIXEL, "rb") as f:
        pixel = f.read()
    picture = base64.b64encode(pixel).decode()
    fields = [name for name, _ in rows("server/fields.def", "X")]
    questions = [{"image": {"b64": picture}, "target": 3, "why_not": "auto:3"}, {"instances": [{"b64": picture}, {"image": {"b64": picture}, "why_not": [1, "x"], "id": "a"}]}]
    questions += [{name: value} for name in fields for value in ("a", 1, 0.5, True, ["a", 2], {"b64": "QQ=="}, None)]
    hard = [b'{"a":1e400}', b"[" * 40 + b"]" * 40, b'{"a":1,"a":2}', b'"\\ud800"', b'{"a":"\\u0000"}', b"\xef\xbb\xbf{}", b"{} x", b'{"n":12345678901234567890}', b"nan", b'{"b64":"Q\\/Q="}']
    yield "json", [json.dumps(q).encode() for q in questions] + hard
    yield "base64", [base64.b64encode(bytes(range(n))) for n in range(8)] + [b"QQ", b"QQ=", b"QQ==", b"QR==", b"Q-_=", b"QQ==\n", b"====", b" QQ=="]
    form = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n--b--\r\n'
    bodies = [form % (name.encode(), b"", b"1") for name in fields] + [form % (b"image", b'; filename="a.png"\r\nContent-Type: image/png', pixel)]
    yield "form", [b"multipart/form-data; boundary=b\n" + body for body in bodies] + [b"target=3&why_not=%61uto%3A3&a=%zz&b+c=%00\n", b'multipart/form-data; boundary="b c"\n--b c--\r\n']
    options = rows("server/options.def", "TEXT|COUNT|SWITCH")
    text = [b'{"%s": %s}' % (name.encode(), value) for name, _ in options for value in (b"1", b'"a"', b"true")]
    yield "config", text + [b"reader - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", b"# a comment\na admin,explain sha256:" + b"0b" * 32 + b"\n", b"x y z\n", b"{}", b'{"port": 1, "port": 2}']
    labeling = ('<?xml version="1.0"?><View><!-- a --><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="a &amp; b" alias="x"/><Choice value=\'&#65;&#x42;\'/></Choices>'
                '<Style><![CDATA[ .a > .b ]]></Style><%s name="e" toName="i"><Label value="one"/></%s></View>')
    yield "labeling", [(labeling % (tag, tag)).encode() for tag in ("BrushLabels", "PolygonLabels")] + [b"<a", b"<!DOCTYPE a>", b"<a b='&#0;'/>", b"<a></b>"] + [
        bytes([w]) + bytes((i * k) % 251 < 100 for i in range(w * w)) for w in (1, 5, 9, 17, 31) for k in (1, 7, 13)]
    host = b"Host: 127.0.0.1\r\n"
    requests = [b"%s %s HTTP/1.1\r\n%s\r\n" % (method, path.encode(), host) for path in routes() for method in (b"GET", b"POST")]
    post = b"POST /v1/models/tiny/explain?target=1&why_not=auto:2 HTTP/1.1\r\n" + host
    requests += [post + b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(pixel) + pixel, post + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                 post + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", b"GET /livez HTTP/1.0\r\n\r\n", b"GET /livez HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n",
                 post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"GET /livez HTTP/1.1\r\n" + host + b"\r\n" + b"GET /version HTTP/1.1\r\n" + host + b"\r\n"]
    yield "http", requests
    for kind, pattern in (("png", "*.png"), ("jpeg", "*.jpg")):
        yield kind, [open(p, "rb").read() for p in sorted(glob.glob(os.path.join(ROOT, "tests", "media", "golden", pattern)))]
    yield "graph", [bytes((i * k + k) % 256 for i in range(120)) for k in (1, 3, 7, 11, 29, 101)]


def words(target):
    fields = [name for name, _ in rows("server/fields.def", "X")]
    return {
        "json": fields + ["instances", "b64", "{\"", "\":", "auto:", "\\u", "\\/", "null", "true", "1e", "-0", "[[", "}}"],
        "form": fields + ["multipart/form-data; boundary=", "Content-Disposition: form-data; name=\"", "; filename=\"", "\r\n\r\n", "--", "%00", "&", "="],
        "config": [name for name, _ in rows("server/options.def", "TEXT|COUNT|SWITCH")] + ["predict", "explain", "admin", "sha256:", "true", "false", "#", "\n", "{\"", "\": "],
        "labeling": ["<View>", "</View>", "<Image ", "<Choices ", "<Choice ", "<BrushLabels ", "<PolygonLabels ", "<Label ", "name='", "toName=\"", "value=", "alias=", "'$", "/>", "</", "<!--", "-->",
                     "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE", "&amp;", "&#x10ffff;", "&#"],
        "http": routes() + ["GET ", "POST ", "HEAD ", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: 127.0.0.1\r\n", "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
                            "Connection: close\r\n", "Connection: keep-alive\r\n", "Content-Type: application/json\r\n", "Content-Type: image/png\r\n", "Authorization: Bearer ", "Accept: image/png\r\n",
                            "If-None-Match: ", "X-Request-Id: ", "traceparent: 00-", "Inference-Header-Content-Length: ", "\r\n\r\n", "0\r\n\r\n", "\r\n ", "%2f"] + fields,
        "png": ["IHDR", "IDAT", "IEND", "PLTE", "tRNS", "gAMA", "zTXt", "iTXt", "iCCP", "acTL", "eXIf"],
        "jpeg": ["\xff\xc0", "\xff\xc2", "\xff\xc4", "\xff\xda", "\xff\xdb", "\xff\xdd", "\xff\xe0", "\xff\xe1", "\xff\xee", "\xff\xd9", "Adobe", "Exif\0\0"],
        "base64": ["==", "=", "+", "/"],
    }.get(target, [])


def write_dictionary(target, path):
    with open(path, "w") as f:
        for word in words(target):
            f.write('"%s"\n' % "".join("\\x%02x" % b if b < 32 or b > 126 or b in b'"\\' else chr(b) for b in word.encode("latin-1")))


def write_seeds(target, folder):
    os.makedirs(folder, exist_ok=True)
    for i, data in enumerate(dict(seeds()).get(target, [])):
        with open(os.path.join(folder, "seed-%04d" % i), "wb") as f:
            f.write(data)
