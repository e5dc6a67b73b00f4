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


def fields():
    """Of a question: the daemon's own, and the settings of methods."""
    return [name for name, _ in rows("server/fields.def", "X")] + [name for _, name in rows("include/whynot/method_options.def", "X")]


def routes():
    with open(os.path.join(ROOT, "server", "routes.def")) as f:
        return sorted(set(re.findall(r"\"(/[^\"]*)\"", f.read())))


def seeds():
    with open(PIXEL, "rb") as f:
        pixel = f.read()
    picture = base64.b64encode(pixel).decode()
    names = fields()
    questions = [{"image": {"b64": picture}, "target": 3, "why_not": "auto:3"}, {"instances": [{"b64": picture}, {"image": {"b64": picture}, "why_not": [1, "x"], "id": "a"}]}]
    questions += [{name: value} for name in names for value in ("a", 1, 0.5, True, ["a", 2], {"b64": "QQ=="}, None)]
    hard = [b'{"a":1e400}', b"[" * 40 + b"]" * 40, b'{"a":1,"a":2}', b'"\\ud800"', b'{"a":"\\u0000"}', b"\xef\xbb\xbf{}", b"{} x", b'{"n":12345678901234567890}', b"nan", b'{"b64":"Q\\/Q="}']
    yield "json", [json.dumps(q).encode() for q in questions] + hard
    yield "base64", [base64.b64encode(bytes(range(n))) for n in range(8)] + [b"QQ", b"QQ=", b"QQ==", b"QR==", b"Q-_=", b"QQ==\n", b"====", b" QQ=="]
    form = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n--b--\r\n'
    bodies = [form % (name.encode(), b"", b"1") for name in names] + [form % (b"image", b'; filename="a.png"\r\nContent-Type: image/png', pixel)]
    yield "form", [b"multipart/form-data; boundary=b\n" + body for body in bodies] + [b"target=3&why_not=%61uto%3A3&a=%zz&b+c=%00\n", b'multipart/form-data; boundary="b c"\n--b c--\r\n']
    options = rows("server/options.def", "TEXT|COUNT|SWITCH")
    text = [b'{"%s": %s}' % (name.encode(), value) for name, _ in options for value in (b"1", b'"a"', b"true")]
    yield "config", text + [b"reader - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", b"# a comment\na admin,explain sha256:" + b"0b" * 32 + b"\n", b"x y z\n", b"{}", b'{"port": 1, "port": 2}',
                            b"#Bearer " + b"a" * 20 + b"\na - " + b"a" * 20 + b" high\nb - " + b"b" * 20 + b"\n", b"#Basic " + base64.b64encode(b"u:" + b"a" * 20) + b"\na - " + b"a" * 20 + b"\n",
                            b"--port\n1", b"--access-log\n--port=2\nmodels", b"--port", b"-x", b"a\nb", b"--help", b"--version", b"--prot=1", b"--models=" + b"a" * 600] + manifests()
    labeling = ('<?xml version="1.0"?><View><!-- a --><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="a &amp; b" alias="x"/><Choice value=\'&#65;&#x42;\'/></Choices>'
                '<Style><![CDATA[ .a > .b ]]></Style><%s name="e" toName="i"><Label value="one"/></%s></View>')
    yield "labeling", [(labeling % (tag, tag)).encode() for tag in ("BrushLabels", "PolygonLabels")] + [b"<a", b"<!DOCTYPE a>", b"<a b='&#0;'/>", b"<a></b>"] + [
        bytes([w]) + bytes((i * k) % 251 < 100 for i in range(w * w)) for w in (1, 5, 9, 17, 31) for k in (1, 7, 13)]
    yield "body", bodies_of_requests(pixel, picture, names, labeling % ("BrushLabels", "BrushLabels"))
    host = b"Host: 127.0.0.1\r\n"
    requests = [b"%s %s HTTP/1.1\r\n%s\r\n" % (method, path.encode(), host) for path in routes() for method in (b"GET", b"POST")]
    post = b"POST /v1/models/tiny/explain?target=1&why_not=auto:2 HTTP/1.1\r\n" + host
    requests += [post + b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(pixel) + pixel, post + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                 post + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", b"GET /livez HTTP/1.0\r\n\r\n", b"GET /livez HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n",
                 post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"GET /livez HTTP/1.1\r\n" + host + b"\r\n" + b"GET /version HTTP/1.1\r\n" + host + b"\r\n"]
    for more in (b"Host: [::1]:80", b"Host: b.example:1", b"Host: c.example", b"Host: [::1", b"Host: a:b", host + b"Origin: https://c.example", host + b"Origin: http://127.0.0.1", host + b"Origin: null",
                 host + b"Sec-Fetch-Site: cross-site", host + b"Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded"):
        requests += [b"%s HTTP/1.1\r\n%s\r\nContent-Length: 0\r\n\r\n" % (line, more.rstrip()) for line in (b"GET /livez", b"POST /v1/explain")]
    requests += [b"%s /v1/%s HTTP/1.1\r\n%s\r\n" % (method, path, host) for method, path in ((b"PUT", b"explain"), (b"GET", b"%zz"), (b"GET", b"a%20b"), (b"GET", b"../a"), (b"GET", b"models?a=%zz"), (b"TRACE", b"models"))]
    requests += [b"OPTIONS /v1/explain HTTP/1.1\r\n%sOrigin: https://c.example\r\nAccess-Control-Request-Method: POST\r\n\r\n" % host]
    yield "http", requests
    for kind, pattern in (("png", "*.png"), ("jpeg", "*.jpg")):
        yield kind, [open(p, "rb").read() for p in sorted(glob.glob(os.path.join(ROOT, "tests", "media", "golden", pattern)))]
    yield "graph", [bytes((i * k + k) % 256 for i in range(120)) for k in (1, 3, 7, 11, 29, 101)]


def manifests():
    found = []
    for path in glob.glob(os.path.join(ROOT, "models", "*", "manifest.json")):
        with open(path, "rb") as f:
            found.append(f.read())
    squash, other = {"size": [16, 16]}, [{"what": 1}, {"name": 3}, {"name": "-"}, {"version": ""}, {"model": "a\nb"}, {"output": {"name": "y"}}, {"output": 1}, {"lables": ""}, {"input": 1}, {"samples": 1},
                                         {"samples": [1]}, {"samples": [{"file": "a.png", "label": "b", "why_not": "c"}]}, {"samples": [{"label": "b"}]}]
    inputs = [{"resize": "short-side", "short_side": 20, "crop": [16, 12]}, {"resize": "short-side"}, {"short_side": 3}, {"resize": "none"}, {"resize": "x"}, {"size": [1, 2, 3]}, {"size": "a"}, {"size": []}, {"size": [0, 1]},
              {"scale": 0}, {"scale": [1, 2]}, {"channels": "GRAY", "mean": 0.5, "std": [0.5]}, {"channels": "BGR", "mean": [1, 2]}, {"std": 0}, {"mean": "a"}, {"mean": [1, 2, 3, 4]}, {"size": 5, "layout": "NHWC"}]
    found += [json.dumps(dict({"input": squash}, **more)).encode() for more in other]
    return found + [json.dumps({"input": dict(squash, **more)}).encode() for more in inputs] + [b"{}", json.dumps({"input": {"resize": "squash"}}).encode()]


def request(target, body, *headers):
    return "\n".join((target,) + headers).encode() + b"\n\n" + (body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode())


def questions_of_requests(pixel, picture, names):
    """A picture, forms, JSON."""
    post = "/v1/models/tiny/explain"
    kind = "Content-Type: application/json"
    form = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    found = [request(post + "?target=stop&why_not=auto:2&outputs=raw,bbox&layer=auto&why_not=1&layers=f1&layers=f2", pixel, "Content-Type: image/png"), request("/v1/explain?model=tiny&id=a", pixel)]
    found += [request("%s?%s=%s&%s=a" % (post, name, value, name), pixel) for name in names for value in ("1", "all", "mean", "0,2", "auto", "1e9")]
    for parts in ([(b"image", pixel), (b"target", b"stop")], [(b"image", b"a"), (b"image", b"b")], [(b"data", pixel)], [(b"target", b"\xff")], [(b"what", b"")], [(b"target", b"1"), (b"target", b"2")]):
        form_body = b"".join(form % part for part in parts) + b"--b--\r\n"
        found += [request(target, form_body, "Content-Type: multipart/form-data; boundary=b") for target in (post, "/predictions/tiny")]
    questions = [{"image": {"b64": picture}, "target": "stop", "why_not": ["yield", 1], "layers": ["f1", "r2"]}, {"image": {"b64": picture}, "why_not": "all", "contrast": "max"}, [], {"image": 1},
                 {"instances": [{"b64": picture}, {"image": {"b64": picture}, "target": 7}, 3, {"why_not": "stpo"}], "method": "gradcam", "id": "a"}, {"instances": []}, {"instances": [{"target": 1, "b64": "QQ=="}]}]
    found += [request(target, q, kind) for q in questions for target in (post, "/v1/models/tiny:predict", "/v1/models/tiny:explain")]
    found += [request(path, pixel, "Authorization: Bearer " + letter * 16) for letter in "abcd" for path in (post, "/v1/models/tiny:predict", "/v1/models/tiny/x", "/v2/repository/models/tiny/load")]
    return found + [request("/v1/models/tiny:explain", b"a", "Content-Type: image/png"), request(post, b"", "Content-Type: image/png"), request(post, b"a", "Content-Type: text/plain"), request("/v1/%2e", b""),
                    request("/livez", b""), request("/v1/models/none/explain?target=1", pixel), request("/v1/models/tiny/versions/2/explain", pixel)]


def tensors_of_requests(pixel, picture):
    """The Open Inference Protocol, its data as JSON and as bytes behind it."""
    target = "/v2/models/tiny/infer"
    floats, strings = {"name": "input", "datatype": "FP32", "shape": [1, 3, 16, 16]}, {"name": "input", "datatype": "BYTES", "shape": [1]}
    numbers = [1, -2.5, 0] + [0] * 765
    found = [request(target, {"inputs": [dict(floats, data=data)]}) for data in (numbers, [numbers], numbers[1:], [[1], 2], ["a"])]
    found += [request(target, dict({"inputs": [dict(strings, data=[picture])]}, **more)) for more in (
        {"id": "a", "outputs": [{"name": "logits"}, {"name": "map", "parameters": {"binary_data": True}}]}, {"parameters": {"explain": True, "target": "stop", "priority": 1, "binary_data_output": True}},
        {"parameters": 1}, {"outputs": [{"name": "x"}]}, {"outputs": [{"name": "map"}, {"name": "map"}]}, {"what": 1}, {"id": 3}, {"outputs": 1})]
    found += [request(target, {"inputs": [dict(strings, **more)]}) for more in ({"data": ["a", "b"]}, {"data": [1]}, {"shape": [2, 1], "data": [picture, "Q\\/=="]}, {"shape": [0]}, {"shape": [1, 2], "data": []}, {})]
    for tensor, blob in ((strings, len(pixel).to_bytes(4, "little") + pixel), (strings, b"\xff\0\0\0a"), (strings, b"\0\0\0\0a"), (strings, b"\0"), (floats, b"\0\0\x80\x3f" * 768), (floats, b"\0" * 8)):
        head = json.dumps({"inputs": [dict(tensor, parameters={"binary_data_size": len(blob)})]}).encode()
        found += [request(target, head + blob, "Inference-Header-Content-Length: %d" % n) for n in (len(head), len(head) - 1)]
    return found + [request(target, b"{}", "Inference-Header-Content-Length: -1"), request(target + "?a=1", b"{}"), request(target, [])]


def tasks_of_requests(picture, config):
    """Label Studio's."""
    kind = "Content-Type: application/json"
    uri = "data:image/png;base64," + picture
    result = [{"type": "choices", "from_name": "c", "value": {"choices": ["a & b", "stop"]}}, {"type": "brushlabels", "value": {"rle": [1, 2]}}]
    annotated = {"data": {"image": uri}, "annotations": [{"result": result}, {"result": result, "was_cancelled": True}], "drafts": [{"result": [{"type": "choices", "value": {"choices": ["stop"]}}]}]}
    tasks = [{"data": {"image": value}} for value in (uri, picture, "data:image/png,a", "/data/upload/1/a.png", "/data/local-files/?d=a%20b.png", "/etc/a", "http://a/b.png", 1, {"b64": picture}, "data:0")]
    bodies = [{"tasks": tasks, "label_config": config}, {"tasks": [annotated], "label_config": config, "params": {"context": {"result": result}}}, {"tasks": [annotated], "label_config": config},
              {"tasks": [{"data": {"image": uri}, "drafts": annotated["drafts"]}, {}, 3], "label_config": config.replace("a &amp; b", "stop").replace("one", "yield")}, {"tasks": [], "label_config": config},
              {"tasks": tasks}, {"tasks": tasks, "label_config": "<View/>"}, {"tasks": tasks, "label_config": "<View><Image name='i' value='$image'/></View>"}, {"tasks": tasks, "label_config": "<a"}, []]
    return [request("/predict", body, kind) for body in bodies] + [request("/predict?a=1", {}, kind), request("/predict", b"{", kind), request("/predict", {})]


def bodies_of_requests(pixel, picture, names, config):
    return questions_of_requests(pixel, picture, names) + tensors_of_requests(pixel, picture) + tasks_of_requests(picture, config)


def words(target):
    names = fields()
    return {
        "json": names + ["instances", "\"data\":[", "\"rle\":[", "b64", "{\"", "\":", "auto:", "\\u", "\\/", "null", "true", "1e", "-0", "[[", "}}"],
        "form": names + ["multipart/form-data; boundary=", "Content-Disposition: form-data; name=\"", "; filename=\"", "\r\n\r\n", "--", "%00", "&", "="],
        "body": names + ["/v1/models/tiny/explain?", "/v2/models/tiny/infer\n", "/predict\n", "Content-Type: ", "application/json\n\n", "image/png\n\n", "multipart/form-data; boundary=b\n\n", "--b\r\n",
                          "Inference-Header-Content-Length: ", "Authorization: Bearer aaaaaaaaaaaaaaaa\n", "Authorization: Basic ", "{\"instances\":[", "{\"inputs\":[", "\"name\":\"input\"", "\"datatype\":\"FP32\"", "\"datatype\":\"BYTES\"", "\"shape\":[", "\"data\":[",
                          "\"parameters\":{", "\"binary_data_size\":", "\"outputs\":[", "explain", "logits", "probabilities", "explanation", "\"label_config\":\"", "\"tasks\":[", "{\"data\":{\"image\":\"",
                          "data:image/png;base64,", "annotations", "result", "choices", "stop", "auto:2", "all"],
        "config": [name for name, _ in rows("server/options.def", "TEXT|COUNT|SWITCH")] + ["predict", "explain", "admin", "sha256:", "true", "false", "#", "\n", "{\"", "\": ", "#Bearer ", "#Basic ", "--", "=",
                   "name", "version", "model", "labels", "input", "output", "layer", "size", "mean", "std", "resize", "crop", "samples", "preprocess", "description", "license"],
        "labeling": ["<View>", "</View>", "<Image ", "<Choices ", "<Choice ", "<BrushLabels ", "<PolygonLabels ", "<Label ", "name='", "toName=\"", "value=", "alias=", "'$", "/>", "</", "<!--", "-->",
                     "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE", "&amp;", "&#x10ffff;", "&#"],
        "http": routes() + ["GET ", "POST ", "HEAD ", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: 127.0.0.1\r\n", "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
                            "Connection: close\r\n", "Connection: keep-alive\r\n", "Content-Type: application/json\r\n", "Content-Type: image/png\r\n", "Authorization: Bearer ", "Accept: image/png\r\n",
                            "If-None-Match: ", "X-Request-Id: ", "traceparent: 00-", "Inference-Header-Content-Length: ", "\r\n\r\n", "0\r\n\r\n", "\r\n ", "%2f"] + names,
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
