"""/openapi.json against the daemon: the document is well formed, each route answers in the shape that is declared for it and in no other,
each declared status can be had, and each declared field is taken."""
import http.client
import json
import os
import re
import socket
import struct
import tempfile
import threading
import time
import unittest

import daemon
import tiny_onnx
from daemon import b64, picture

JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}
KEYS = {"401", "403"}  # where keys are in use: a test of their own
SMALL = ["--max-body-bytes", "1048576"]
LABELING = ('<View><Image name="image" value="$image"/><Choices name="label" toName="image"><Choice value="stop"/></Choices>'
            '<BrushLabels name="evidence" toName="image"><Label value="for it"/></BrushLabels></View>')


def sigmoid_net():
    """Sigmoid stands where LRP has no rule for it."""
    rng = __import__("random").Random(3)
    nodes = [tiny_onnx.node("Conv", ["image", "w", "b"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), tiny_onnx.node("Relu", ["conv"], "relu"),
             tiny_onnx.node("GlobalAveragePool", ["relu"], "pooled"), tiny_onnx.node("Flatten", ["pooled"], "flat"),
             tiny_onnx.node("Sigmoid", ["flat"], "act"), tiny_onnx.node("Gemm", ["act", "fc"], "logits", transB=1)]
    tensors = [tiny_onnx.tensor("w", [4, 3, 3, 3], tiny_onnx.normal(rng, 108, .3)), tiny_onnx.tensor("b", [4], [0.1] * 4),
               tiny_onnx.tensor("fc", [4, 4], tiny_onnx.normal(rng, 16, 1.0))]
    return tiny_onnx.model(nodes, tensors, [("image", ["N", 3, 16, 16])], [("logits", ["N", 4])])


def infinite_net():
    nodes = [tiny_onnx.node("Conv", ["image", "w"], "conv", kernel_shape=[1, 1]), tiny_onnx.node("Relu", ["conv"], "relu"),
             tiny_onnx.node("GlobalAveragePool", ["relu"], "pooled"), tiny_onnx.node("Flatten", ["pooled"], "flat"),
             tiny_onnx.node("Gemm", ["flat", "fc"], "logits", transB=1)]
    tensors = [tiny_onnx.tensor("w", [4, 3, 1, 1], [3e38] * 12), tiny_onnx.tensor("fc", [4, 4], [3e38] * 16)]
    return tiny_onnx.model(nodes, tensors, [("image", ["N", 3, 16, 16])], [("logits", ["N", 4])])


class Shape:
    """JSON Schema, as far as this document uses it."""
    KNOWN = {"type", "properties", "required", "items", "anyOf", "oneOf", "enum", "$ref", "description", "default", "additionalProperties",
             "contentEncoding", "minimum", "maximum", "minItems", "maxItems", "format"}
    TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}

    def __init__(self, document):
        self.schemas = document["components"]["schemas"]

    def check(self, schema, where=""):
        """The schema itself: known words, references that lead somewhere."""
        unknown = set(schema) - self.KNOWN
        assert not unknown, (where, unknown)
        if "$ref" in schema:
            assert schema["$ref"].split("/")[-1] in self.schemas, schema
        for part in schema.get("anyOf", []) + schema.get("oneOf", []) + [schema[k] for k in ("items", "additionalProperties") if isinstance(schema.get(k), dict)]:
            self.check(part, where)
        for name, part in schema.get("properties", {}).items():
            self.check(part, where + "/" + name)
        assert set(schema.get("required", [])) <= set(schema.get("properties", {})) or "properties" not in schema, where

    def errors(self, value, schema, where="$"):
        """What of the value is not as declared; keys that nobody declared too."""
        if "$ref" in schema:
            return self.errors(value, self.schemas[schema["$ref"].split("/")[-1]], where)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            all_errors = [self.errors(value, s, where) for s in choices]
            return [] if [] in all_errors else min(all_errors, key=len)
        kind, found = schema.get("type"), []
        if kind in ("integer", "number"):
            good = isinstance(value, (int, float) if kind == "number" else int) and not isinstance(value, bool)
        else:
            good = kind is None or isinstance(value, self.TYPES[kind])
        if not good:
            return ["%s is %r, no %s" % (where, value, kind)]
        if "enum" in schema and value not in schema["enum"]:
            found.append("%s is %r, none of its words" % (where, value))
        if kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            found.append("%s is %r, which is out of range" % (where, value))
        if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append("%s has %d items" % (where, len(value)))
        if isinstance(value, list) and "items" in schema:
            for i, v in enumerate(value):
                found += self.errors(v, schema["items"], "%s[%d]" % (where, i))
        if kind == "object":
            more, known = schema.get("additionalProperties"), schema.get("properties", {})
            found += ["%s.%s is missing" % (where, k) for k in schema.get("required", []) if k not in value]
            for k, v in value.items():
                if k in known:
                    found += self.errors(v, known[k], where + "." + k)
                elif isinstance(more, dict):
                    found += self.errors(v, more, where + "." + k)
                else:
                    found.append("%s.%s is not declared" % (where, k))
        return found


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.models = daemon.tiny_models(cls.folder.name)
        samples = [{"file": "a.png", "label": "stop", "why_not": "yield"}, {"file": "link.png"}]
        path = daemon.write_model(cls.models, "sampled", tiny_onnx.classifier(seed=4), daemon.LABELS, 16, samples=samples)
        with open(os.path.join(path, "a.png"), "wb") as f:
            f.write(picture(1))
        os.symlink("a.png", os.path.join(path, "link.png"))
        four = ["a", "b", "c", "d"]
        daemon.write_model(cls.models, "broken", b"no network", four, 16)
        daemon.write_model(cls.models, "infinite", infinite_net(), four, 16)
        daemon.write_model(cls.models, "gated", sigmoid_net(), four, 16)
        daemon.write_model(cls.models, "big", tiny_onnx.classifier(16, 256, 4, 3), four, 16)
        daemon.slow_model(cls.models, 64, 4)
        cls.d = daemon.Daemon(cls.models, "--model-control", "--model-memory-mb", "9", "--labeling-model", "tiny", *SMALL).__enter__()
        cls.api = cls.d.get("/openapi.json").json
        cls.shape = Shape(cls.api)
        wish = json.dumps({"metrics": "confidence", "methods": "gradcam", "contrasts": "logit,pair", "instances": [{"image": {"b64": b64(picture(1))}, "label": 1}]})
        cls.evaluation = cls.d.request("POST", "/v1/models/tiny/evaluate", wish, JSON).json["id"]
        daemon.wait_until(lambda: cls.d.get("/v1/evaluations/" + cls.evaluation).json["state"] == "done")

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()

    def operations(self):
        for path, item in self.api["paths"].items():
            for method, op in item.items():
                yield method.upper(), path, op

    # ---- the document ----

    def test_the_document_is_openapi_3_1(self):
        api = self.api
        self.assertRegex(api["openapi"], r"^3\.1\.\d+$")
        self.assertLessEqual({"title", "version"}, set(api["info"]))
        self.assertLessEqual(set(api), {"openapi", "info", "paths", "components"})
        for name, schema in api["components"]["schemas"].items():
            self.shape.check(schema, name)
        seen = set()
        for method, path, op in self.operations():
            self.assertTrue(path.startswith("/") and (method, path) not in seen)
            seen.add((method, path))
            self.assertIn(method, ("GET", "POST", "PUT"))
            self.assertLessEqual(set(op), {"summary", "parameters", "requestBody", "responses", "security"})
            in_path = [p["name"] for p in op["parameters"] if p["in"] == "path"]
            self.assertEqual(in_path, re.findall(r"{(\w+)}", path))
            names = [(p["name"], p["in"]) for p in op["parameters"]]
            self.assertEqual(len(names), len(set(names)))
            for p in op["parameters"]:
                self.assertTrue(p["in"] in ("path", "query", "header") and (p["in"] != "path" or p["required"] is True))
                self.shape.check(p["schema"], path)
            self.assertEqual("requestBody" in op, method != "GET")
            self.assertEqual(len({"200", "202"} & set(op["responses"])), 1)
            for status, response in op["responses"].items():
                self.assertRegex(status, r"^([1-5]\d\d|default)$")
                if status == "304":
                    self.assertEqual(list(response), ["description"])
                elif "$ref" in response:
                    self.assertEqual(response, {"$ref": "#/components/responses/Problem"})
                else:
                    self.assertTrue(response["description"] and response["content"])
            for content in op.get("requestBody", {}).get("content", {}).values():
                self.shape.check(content.get("schema", {}), path)
            for wish in op.get("security", []):
                self.assertLessEqual(set(wish), set(api["components"]["securitySchemes"]))

    # ---- every route ----

    def url(self, path, model="tiny"):
        return path.replace("{model}", model).replace("{version}", "1").replace("{file}", "main.js").replace("{id}", "none" if model == "nope" else self.evaluation)

    def body_of(self, op, path):
        """(body kind, a good body, its headers)."""
        ref = json.dumps(op.get("requestBody", {}))
        image = {"b64": b64(picture(1))}
        if "V2Request" in ref:
            tensor = {"name": "input", "datatype": "BYTES", "shape": [1], "data": [image["b64"]]}
            return "TENSORS", json.dumps({"inputs": [tensor], "parameters": {"explain": True}}), JSON
        if "Control" in ref:
            return "CONTROL", "{}", JSON
        if "LabelTasks" in ref:
            return "TASKS", json.dumps({"tasks": [{"data": {"image": "data:image/png;base64," + image["b64"]}}], "label_config": LABELING}), JSON
        if "LabelProject" in ref:
            return "PROJECT", json.dumps({"schema": LABELING, "action": "ANNOTATION_CREATED", "project": "1.2"}), JSON
        if "EvaluationWish" in ref:
            return "EVALUATION", json.dumps({"instances": [{"image": image}], "metrics": ["confidence"], "methods": "gradcam"}), JSON
        if "image/png" in ref:
            return "PICTURE", picture(1), PNG
        if "Batch" in ref:
            return "INSTANCES", json.dumps({"instances": [image]}), JSON
        return "NONE", None, {}

    def send(self, method, path, op, query="", model="tiny", d=None, body=None, headers=None):
        kind, good, standard = self.body_of(op, path)
        query = query or ("?file=a.png" if path.endswith("/sample") else "")
        model = "sampled" if path.endswith("/sample") and model == "tiny" else model
        if path == "/v1/explain":
            query = (query + "&" if query else "?") + "model=" + model
        return (d or self.d).request(method, self.url(path, model) + query, good if body is None else body, standard if headers is None else headers)

    def declared(self, op, a, status=None):
        """The answer is one of those that the operation declares."""
        if status:
            self.assertEqual(str(a.status), status, a.body[:300])
        self.assertIn(str(a.status), op["responses"], a.body[:300])
        kind = a.headers["Content-Type"].split(";")[0]
        if a.status not in (200, 202):
            self.assertEqual(kind, "application/problem+json")
            self.assertEqual(self.shape.errors(a.json, {"$ref": "#/components/schemas/Problem"}), [])
            return
        content = op["responses"][str(a.status)]["content"]
        self.assertIn(kind, content)
        if "schema" in content[kind]:
            self.assertEqual(self.shape.errors(a.json, content[kind]["schema"]), [])

    def test_every_route_answers_in_its_declared_shape(self):
        for method, path, op in sorted(self.operations(), key=lambda o: ("unload" in o[1], "load" in o[1], o[1])):
            with self.subTest(method=method, path=path):
                self.declared(op, self.send(method, path, op), "202" if "202" in op["responses"] else "200")
                if method == "GET":
                    a = self.d.request("HEAD", self.url(path, "sampled" if "sample" in path else "tiny") + ("?file=a.png" if "/sample" in path else ""))
                    self.assertEqual((a.status, a.body), (200, b""))
        self.assertEqual(self.d.request("POST", "/v2/repository/models/tiny/load").status, 200)

    def test_answers_of_many_questions_are_as_declared(self):
        op = self.api["paths"]["/v1/explain"]["post"]
        everything = "outputs=heatmap,overlay,raw,bbox,rle&id=x&maps=contrast,target,rival"
        for query in ("", "?why_not=3&" + everything, "?contrast=weighted&target=2", "?why_not=auto:2&maps=target,rival", "?top_k=0", "?layer=relu0&relu=true", "?contrast=subset&target=1,2&why_not=3,4",
                      "?why_not=all&target=3&rivals=2&" + everything.replace(",rival", ""), "?why_not=all&statistics=raw", "?reuse=true&why_not=3", "?evidence=mask&why_not=2,3",
                      "?outputs=raw,rle,bbox&why_not=3", "?method=gradient"):
            self.declared(op, self.send("POST", "/v1/explain", op, query), "200")
        for c in self.d.get("/v1/contrasts").json["contrasts"]:
            self.declared(op, self.send("POST", "/v1/explain", op, "?contrast=" + c["name"] + ("&method=lrp-zplus" if c["methods"] == "relevance" else "") +
                                         ("&value=1.5" if c["wants_value"] else "")), "200")
        batch = {"model": "tiny", "instances": [{"b64": b64(picture(1))}, {"b64": "AAAA"}, {"image": {"b64": b64(picture(2))}, "why_not": 3}]}
        self.declared(op, self.d.ask(batch, "/v1/explain"), "200")
        for accept, kind in (("image/png", "image/png"), ("application/x-npy", "application/x-npy")):
            a = self.send("POST", "/v1/explain", op, headers=dict(PNG, Accept=accept))
            self.declared(op, a, "200")
            self.assertEqual(a.headers["Content-Type"], kind)
        for name in ("broken", "infinite", "gated"):
            self.declared(self.api["paths"]["/v1/models/{model}"]["get"], self.d.get("/v1/models/" + name), "200")

    # ---- every status ----

    def provoke(self, status, method, path, op):
        """An answer of that status by the running daemon; None: it needs another."""
        kind = self.body_of(op, path)[0]
        tensor = {"name": "input", "datatype": "BYTES", "shape": [1], "data": [b64(b"xx")]}
        cut = picture(1)[:60]

        def tensors(image=picture(1), **parameters):
            return json.dumps({"inputs": [dict(tensor, data=[b64(image)])], "parameters": dict({"explain": True}, **parameters)})
        if status == "400":
            bad = {"NONE": ("?a=%zz", None), "PICTURE": ("?metod=la", None), "INSTANCES": ("", "{}"), "TENSORS": ("", "{}"), "EVALUATION": ("", "{}"), "TASKS": ("", "{}"), "PROJECT": ("", "[]"), "CONTROL": ("", '{"x": 1}')}[kind]
            return self.send(method, path, op, bad[0], body=bad[1])
        if status == "404":
            if path in ("/setup", "/predict"):
                with daemon.Daemon(self.models, "--labeling-model", "nope") as d:
                    return self.send(method, path, op, d=d)
            if "{file}" in path:
                return self.d.get("/page/none.js")
            return self.send(method, path, op, model="nope")
        if status == "413":
            if kind == "CONTROL":
                return self.send(method, path, op, body=b" " * 70000)
            return self.announce(method, self.url(path) + ("?model=tiny" if path == "/v1/explain" else ""), 1048577)
        if status == "415":
            if kind in ("CONTROL", "EVALUATION"):
                return self.send(method, path, op, body=b"{}", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
            body = {"TENSORS": tensors(b"xx")}.get(kind, b"xx")
            return self.send(method, path, op, body=body, headers=None if kind in ("PICTURE", "TENSORS") else {"Content-Type": "text/plain"})
        if status == "422":
            if path.endswith("/sample"):
                return self.d.get("/v1/models/sampled/sample?file=link.png")
            if path.endswith("/load"):
                return self.send(method, path, op, model="broken")
            return self.send(method, path, op, body=tensors(cut) if kind == "TENSORS" else cut)
        if status == "501":
            return self.send(method, path, op, model="gated", query="" if kind == "TENSORS" else "?method=lrp",
                             body=tensors(method="lrp") if kind == "TENSORS" else None)
        if status == "503" and path.endswith("/load"):
            return self.send(method, path, op, model="big")
        if status == "503" and kind != "INSTANCES" and "{model}" in path and not path.endswith("/health"):
            return self.send(method, path, op, model="broken")
        return None

    def announce(self, method, url, size):
        """Only the head of a request whose body would be that long."""
        head = "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (method, url, size)
        with socket.create_connection(("127.0.0.1", self.d.port), 20) as s:
            s.sendall(head.encode())
            r = http.client.HTTPResponse(s)
            r.begin()
            return daemon.Answer(r.status, r.headers, r.read())

    def test_every_declared_status_can_be_had(self):
        left = []
        for method, path, op in self.operations():
            for status in sorted(set(op["responses"]) - {"200", "202", "304", "default"} - KEYS):
                with self.subTest(method=method, path=path, status=status):
                    a = self.provoke(status, method, path, op)
                    if a is None:
                        left.append((status, method, path))
                    else:
                        self.declared(op, a, status)
        self.assertEqual({s for s, _, _ in left}, {"429", "503", "504"})
        self.check_starting([x for x in left if x[0] == "503"])
        self.check_full([x for x in left if x[0] == "429"], [x for x in left if x[0] == "504"])

    def test_304_where_it_is_declared_and_an_etag_nowhere_else(self):
        declared = 0
        for method, path, op in self.operations():
            if path.startswith("/page") or path == "/" or "repository" in path:
                continue
            with self.subTest(method=method, path=path):
                kind, body, headers = self.body_of(op, path)
                a, b = self.send(method, path, op), self.send(method, path, op)
                self.assertEqual("304" in op["responses"], "ETag" in a.headers)
                if "304" not in op["responses"]:
                    continue
                declared += 1
                tag = a.headers["ETag"]
                self.assertEqual((b.headers["ETag"], a.headers["Cache-Control"]), (tag, "private, no-cache"))
                for condition in (tag, '"x", ' + tag, "*", tag[2:] if tag[:2] == "W/" else "W/" + tag):
                    c = self.send(method, path, op, headers=dict(headers, **{"If-None-Match": condition}))
                    self.assertEqual((c.status, c.body, c.headers["ETag"]), (304, b"", tag))
                for condition in ('"x"', "x", "", tag[:-2] + '"', ","):
                    self.assertEqual(self.send(method, path, op, headers=dict(headers, **{"If-None-Match": condition})).status, 200, condition)
        self.assertGreater(declared, 20)

    def test_the_etag_of_an_answer_is_of_its_question(self):
        asked = [(1, "", {}), (2, "", {}), (1, "?target=3", {}), (1, "", {"Accept": "image/png"}), (1, "?version=1", {})]
        tags = [self.d.explain(picture(i), query, "tiny", **more).headers["ETag"] for i, query, more in asked]
        tags += [self.d.explain(picture(1), "", "sampled").headers["ETag"]]
        self.assertEqual(len(set(tags)), len(tags))
        for a in (self.d.explain(b"xx"), self.d.ask({"instances": [{"b64": "AAAA"}, {"b64": b64(picture(1))}]}), self.d.get("/v1/models/nope")):
            self.assertNotIn("ETag", a.headers)
            self.assertEqual(a.headers["Cache-Control"], "no-store")

    def check_starting(self, left):
        """A daemon that still makes its engines answers 503 where it answers only when ready."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        daemon.slow_model(folder.name, 224, 6)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        with daemon.Daemon(folder.name, "--port", str(port), "--backend", "ref", "--workers", "1", wait=False) as d:
            d.port = port
            daemon.wait_until(lambda: self.is_up(d))
            for status, method, path in left:
                with self.subTest(status=status, method=method, path=path):
                    op = self.api["paths"][path][method.lower()]
                    self.declared(op, self.send(method, path, op, d=d), status)
            self.assertIsNone(d.process.poll())

    def is_up(self, d):
        try:
            return d.get("/livez").status == 200
        except OSError:
            return False

    def check_late(self, d, left):
        """A deadline that passes before a slow network is through."""
        image = b64(picture(1))
        tensor = {"name": "input", "datatype": "BYTES", "shape": [1], "data": [image]}
        for status, method, path in left:
            with self.subTest(status=status, method=method, path=path):
                op = self.api["paths"][path][method.lower()]
                body = {"INSTANCES": json.dumps({"instances": [{"b64": image}], "timeout_ms": 1}),
                        "TENSORS": json.dumps({"inputs": [tensor], "parameters": {"timeout_ms": 1}})}.get(self.body_of(op, path)[0])
                head = dict(JSON, **{"X-Request-Timeout-Ms": "1"}) if path.endswith("/predict") else None
                self.declared(op, self.send(method, path, op, "" if body or head else "?timeout_ms=1", "slow", d, body, head), status)

    def check_full(self, left, late):
        """With one place in the queue and a picture in it, the next is refused."""
        with daemon.Daemon(self.models, "--backend", "ref", "--workers", "1", "--max-queue-size", "1", "--max-evaluations", "1", "--labeling-model", "slow") as d:
            self.check_late(d, late)
            stop = threading.Event()

            def fill():
                while not stop.is_set():
                    d.explain(picture(1, 64, 64), "", "slow")
            threads = [threading.Thread(target=fill) for _ in range(4)]
            for t in threads:
                t.start()
            try:
                for status, method, path in left:
                    with self.subTest(status=status, method=method, path=path):
                        op = self.api["paths"][path][method.lower()]
                        for _ in range(300):
                            a = self.send(method, path, op, d=d, model="slow")
                            if a.status == 429:
                                break
                            time.sleep(0.005)
                        self.declared(op, a, status)
                        self.assertTrue(a.headers["Retry-After"])
            finally:
                stop.set()
                for t in threads:
                    t.join()

    def test_401_and_403(self):
        with tempfile.NamedTemporaryFile("w") as keys:
            keys.write("probe - probe-0123456789abcdef\n")
            keys.flush()
            with daemon.Daemon(self.models, "--keys", keys.name) as d:
                key = {"Authorization": "Bearer probe-0123456789abcdef"}
                for method, path, op in self.operations():
                    with self.subTest(method=method, path=path):
                        wanted = [scope for wish in op["security"] for scope in wish["key"]]
                        self.assertEqual(("401" in op["responses"], "403" in op["responses"]), (bool(op["security"]), bool(wanted)))
                        self.declared(op, self.send(method, path, op, d=d), "401" if op["security"] else "200")
                        if wanted:
                            self.declared(op, self.send(method, path, op, d=d, headers=dict(self.body_of(op, path)[2], **key)), "403")

    def test_403_where_models_are_not_controlled_over_http(self):
        with daemon.Daemon(self.models) as d:
            for what in ("load", "unload"):
                path = "/v2/repository/models/{model}/" + what
                op = self.api["paths"][path]["post"]
                self.declared(op, self.send("POST", path, op, d=d), "403")

    # ---- every field ----

    VALUES = {"id": "a", "model": "tiny", "version": "1", "target": "5", "why_not": "3", "layer": "relu0", "layers": "relu0,relu1", "maps": "target", "outputs": "raw", "size": "input",
              "normalize": "minmax", "timeout_ms": "20000", "top_k": "2", "overlay": "0.3", "relu": "true", "statistics": "raw", "rivals": "2",
              "reuse": "true", "evidence": "mask", "value": "1.5", "fill": "blur", "align_corners": "true"}

    def test_words_and_heads_are_declared(self):
        fields = self.api["components"]["schemas"]["Question"]["properties"]
        for name, some in (("layer_variant", "raw-conv"), ("baseline", "blurred"), ("quadrature", "midpoint"), ("statistics", "raw"), ("path_target", "log-odds"),
                           ("normalize", "symmetric"), ("size", "input"), ("evidence", "mask"), ("base_method", "gradcam")):
            self.assertIn(some, fields[name]["enum"])
        for path in ("/v1/explain", "/v1/models/{model}/explain", "/v2/models/{model}/infer"):
            heads = {p["name"]: p["schema"] for p in self.api["paths"][path]["post"]["parameters"] if p["in"] == "header"}
            self.assertEqual(heads["X-Request-Priority"]["enum"], ["low", "normal", "high"])
            self.assertEqual(heads["X-Request-Timeout-Ms"]["type"], "integer")

    def test_lists_are_declared_where_they_are_taken(self):
        fields = self.api["components"]["schemas"]["Question"]["properties"]
        for name, value in (("outputs", "raw"), ("outputs", "raw,bbox"), ("outputs", ["raw"]), ("outputs", ["heatmap", "overlay", "raw", "bbox", "rle"]), ("maps", "target"),
                            ("maps", ["contrast", "target"]), ("layers", "relu0,relu1"), ("layers", ["relu0", "relu1"]), ("target", 3), ("target", "stop"), ("target", ["stop"]),
                            ("why_not", [3, "stop"]), ("outputs", []), ("outputs", ["raw"] * 17), ("outputs", ["pictures"]), ("outputs", [1]), ("outputs", 1), ("maps", ["raw"]),
                            ("maps", {}), ("layers", [1, 2]), ("why_not", [[3]]), ("why_not", 1.5)):
            with self.subTest(field=name, value=value):
                a = self.d.ask({"image": {"b64": b64(picture(1))}, name: value})
                self.assertIn(a.status, (200, 400))
                self.assertEqual(self.shape.errors(value, fields[name]) == [], a.status == 200, a.body[:300])
        for name in ("outputs", "maps"):  # a list in a query: with commas, where a client would say the name again
            in_query, = [p for p in self.api["paths"]["/v1/explain"]["post"]["parameters"] if p["name"] == name]
            self.assertIs(in_query["explode"], False)

    def test_a_deadline_has_one_range_wherever_it_stands(self):
        most = 10 ** 15
        fields = self.api["components"]["schemas"]["Question"]["properties"]
        heads = {p["name"]: p["schema"] for p in self.api["paths"]["/v1/explain"]["post"]["parameters"]}
        for value in (1, 20000, 999999999, 10 ** 9, 2 ** 31, 2 ** 32, 2 ** 53, most, most + 1, 10 ** 16, 2 ** 64, 0, -1):
            with self.subTest(value=value):
                body = {"image": {"b64": b64(picture(1))}, "timeout_ms": value}
                ways = [self.d.ask(body), self.d.explain(picture(1), "?timeout_ms=%d" % value), self.d.explain(picture(1), **{"X-Request-Timeout-Ms": str(value)})]
                taken = 1 <= value <= most
                self.assertLessEqual({a.status for a in ways}, {200, 504} if taken else {400})
                for schema in (fields["timeout_ms"], heads["timeout_ms"], heads["X-Request-Timeout-Ms"]):
                    self.assertEqual(self.shape.errors(value, schema) == [], taken)
                if not taken:
                    for a in ways[:3 if value < 2 ** 63 else 0]:  # more than that is no number to the reader of JSON
                        self.assertIn("a whole number of milliseconds from 1 to %d" % most, a.json["detail"])
        for text in ("", "x", "1.5", "1e16", "1 0", "0x10"):
            self.assertEqual(self.d.explain(picture(1), **{"X-Request-Timeout-Ms": text}).status, 400, text)

    def test_every_declared_field_is_taken_and_held_to_its_type(self):
        fields = self.api["components"]["schemas"]["Question"]["properties"]
        path = "/v1/models/{model}/explain"
        op = self.api["paths"][path]["post"]
        self.assertEqual([p["name"] for p in op["parameters"] if p["in"] == "query"], [f for f in fields if f != "image"])
        for name, schema in fields.items():
            if name == "image":
                continue
            for value in schema.get("enum", [self.VALUES.get(name, schema.get("default"))]):
                with self.subTest(field=name, value=value):
                    self.assertIsNotNone(value, "no value to try %s with" % name)
                    value = value if isinstance(value, str) else json.dumps(value)
                    beside = {"rivals": ("why_not", "all"), "statistics": ("why_not", "all"), "fill": ("evidence", "mask")}.get(name)
                    a = self.send("POST", path, op, "?%s=%s%s" % (name, value, "&%s=%s" % beside if beside else ""))
                    partner = name in ("contrast", "method", "value") and a.status == 400 and "must be" not in a.json["detail"]  # it wants another field beside it
                    partner = partner or (a.status == 400 and "takes no " + name in a.json["detail"])  # a setting of another method
                    self.assertTrue(a.status in (200, 501) or partner, a.body)
                    kind = schema.get("type", "string")
                    native = {"boolean": value == "true", "integer": int(value) if value.isdigit() else 0,
                              "number": float(value) if re.match(r"[\d.]+$", value) else 0}.get(kind, value)
                    b = self.d.ask({"image": {"b64": b64(picture(1))}, name: native, **dict([beside] if beside else [])})
                    self.assertEqual(b.status, a.status, b.body)
            with self.subTest(field=name, value="nonsense"):
                a = self.d.ask({"image": {"b64": b64(picture(1))}, name: {"no": "sense"}})
                self.assertEqual((a.status, a.json["errors"][0]["pointer"]), (400, "/" + name))
        a = self.d.ask({"image": {"b64": b64(picture(1))}, "nonsense": 1})
        self.assertEqual(a.status, 400)


if __name__ == "__main__":
    unittest.main()
