"""Other servers' protocols: KServe V1, Open Inference v2 and TorchServe, each held against the shapes that its own documents give, and
against the native answer to the same question."""
import base64
import json
import struct
import unittest

import asking
from daemon import b64, picture

JSON = {"Content-Type": "application/json"}
SIZES = {"FP32": 4}


def is_number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def check_tensor_words(test, t, free=False):
    """name, datatype and shape as in $metadata_tensor and $response_output."""
    test.assertTrue(isinstance(t["name"], str) and t["name"])
    test.assertIn(t["datatype"], ("FP32", "BYTES"))
    test.assertTrue(t["shape"] and all(isinstance(d, int) and (d > 0 or (free and d == -1)) for d in t["shape"]), t)


def volume(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def check_v2_response(test, a):
    """$inference_response: model_name, outputs; each output name, shape, datatype and data, or its bytes behind the JSON."""
    size = a.headers.get("Inference-Header-Content-Length")
    body = json.loads(a.body[:int(size)] if size else a.body)
    tail = a.body[int(size):] if size else b""
    test.assertEqual(a.headers["Content-Type"], "application/octet-stream" if size else "application/json")
    test.assertLessEqual(set(body), {"model_name", "model_version", "id", "parameters", "outputs"})
    test.assertTrue(isinstance(body["model_name"], str) and isinstance(body["model_version"], str))
    out = {}
    for t in body["outputs"]:
        check_tensor_words(test, t)
        n = volume(t["shape"])
        if "data" in t:
            test.assertNotIn("parameters", t)
            test.assertEqual(len(t["data"]), n)
            test.assertTrue(all(is_number(x) if t["datatype"] == "FP32" else isinstance(x, str) for x in t["data"]))
            out[t["name"]] = t["shape"], t["data"]
            continue
        each, tail = tail[:t["parameters"]["binary_data_size"]], tail[t["parameters"]["binary_data_size"]:]
        if t["datatype"] == "FP32":
            out[t["name"]] = t["shape"], list(struct.unpack("<%df" % n, each))
            continue
        values = []
        while each:
            (length,) = struct.unpack("<I", each[:4])
            values.append(each[4:4 + length].decode())
            each = each[4 + length:]
        test.assertEqual(len(values), n)
        out[t["name"]] = t["shape"], values
    test.assertEqual(tail, b"")
    return body, out


class Protocols(asking.Tiny):
    def post(self, path, body, headers=JSON, method="POST"):
        return self.d.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, headers)

    def problem(self, a, status, pointer=None):
        """One body for all clients: RFC 9457, and `error` as KServe, Open Inference and Triton clients read it."""
        self.assertEqual((a.status, a.headers["Content-Type"]), (status, "application/problem+json"), a.body[:300])
        p = a.json
        self.assertTrue(isinstance(p["error"], str) and p["error"] == p["detail"] and p["status"] == status)
        if pointer is not None:
            self.assertEqual([e["pointer"] for e in p["errors"]], [pointer])
        return p

    def native(self, i, query=""):
        return self.d.explain(picture(i), query).json

    # ---- KServe V1 ----

    def test_kserve_predict(self):
        a = self.post("/v1/models/tiny:predict", {"instances": [{"b64": b64(picture(i))} for i in range(3)]})
        self.assertEqual((a.status, list(a.json)), (200, ["predictions"]))
        for i, p in enumerate(a.json["predictions"]):
            best = self.native(i)["predictions"]
            self.assertEqual({k: p[k] for k in best[0]}, best[0])
            self.assertEqual((p["classes"], p["model"]), (best, self.native(i)["model"]))

    def test_kserve_explain(self):
        for version in ("", "/versions/1"):
            a = self.post("/v1/models/tiny%s:explain" % version, {"instances": [{"b64": b64(picture(1)), "why_not": 3, "id": "a"}, {"b64": b64(picture(2))}], "target": 5})
            self.assertEqual((a.status, sorted(a.json)), (200, ["explanations", "predictions"]))
            first, second = a.json["explanations"]
            for got, want in ((first, self.native(1, "?target=5&why_not=3")), (second, self.native(2, "?target=5"))):
                for key in ("model", "predictions", "target", "why_not", "maps", "evidence"):
                    self.assertEqual(got[key], want[key], key)
            self.assertEqual(first["id"], "a")

    def test_kserve_does_not_run_what_predict_does_not_need(self):
        before = sum(self.d.metric('whynot_explanations_total{method="gradcam",contrast="%s"}' % c) for c in ("logit", "pair"))
        self.post("/v1/models/tiny:predict", {"instances": [{"b64": b64(picture(1))}], "why_not": 2})
        after = sum(self.d.metric('whynot_explanations_total{method="gradcam",contrast="%s"}' % c) for c in ("logit", "pair"))
        self.assertEqual(before, after)

    def test_kserve_one_bad_instance_fails_alone(self):
        a = self.post("/v1/models/tiny:explain", {"instances": [{"b64": "AAAA"}, {"b64": b64(picture(1))}, 7]})
        self.assertEqual(a.status, 200)
        for key in ("predictions", "explanations"):
            self.assertEqual([x.get("status") for x in a.json[key]], [415, None, 400], key)

    def test_kserve_an_instance_with_two_pictures_is_asked_about_neither(self):
        two = {"b64": b64(picture(1)), "image": {"b64": b64(picture(2))}}
        for instances in ([two, {"b64": b64(picture(1))}], [dict(reversed(two.items())), {"image": {"b64": b64(picture(1))}}]):
            for path in ("/v1/models/tiny:predict", "/v1/models/tiny:explain", "/v1/models/tiny/explain"):
                a = self.post(path, {"instances": instances}).json
                first, second = a["explanations" if "explanations" in a else "predictions"]
                self.assertEqual((first["code"], first["errors"][0]["pointer"]), ("BAD_REQUEST", "/instances/0/image"), path)
                self.assertIn("image is given twice", first["detail"])
                self.assertNotIn("code", second)
        a = self.post("/v1/models/tiny:predict", {"image": {"b64": b64(picture(2))}, "instances": [{"b64": b64(picture(1))}, {}]}).json["predictions"]  # a default is no second one
        self.assertEqual([p["classes"] for p in a], [self.native(i)["predictions"] for i in (1, 2)])

    def test_kserve_models(self):
        m = self.d.get("/v1/models/tiny").json
        self.assertEqual((m["name"], m["ready"]), ("tiny", True))
        self.assertIn("tiny", [m["name"] for m in self.d.get("/v1/models").json["models"]])
        self.problem(self.d.get("/v1/models/nope"), 404)

    def test_kserve_what_is_refused(self):
        image = {"b64": b64(picture(1))}
        self.assertEqual(self.post("/v1/models/nope:predict", {"instances": [image]}).json["predictions"][0]["code"], "NO_SUCH_MODEL")
        self.problem(self.post("/v1/models/tiny:predict", {"image": image}), 400, "/instances")
        self.problem(self.post("/v1/models/tiny:predict", {"instances": []}), 400, "/instances")
        self.problem(self.post("/v1/models/tiny:predict", {"instances": image}), 400, "/instances")
        self.problem(self.post("/v1/models/tiny:predict", picture(1), {"Content-Type": "image/png"}), 415)
        self.problem(self.post("/v1/models/tiny:predict", "{"), 400)
        self.problem(self.d.get("/v1/models/tiny:predict"), 405)
        self.problem(self.post("/v1/models/tiny:nope", {"instances": [image]}), 404)

    # ---- Open Inference v2 ----

    def infer(self, tensor, path="/v2/models/tiny/infer", **more):
        return self.post(path, dict({"inputs": [tensor]}, **more))

    def image(self, *numbers):
        return {"name": "input", "datatype": "BYTES", "shape": [len(numbers)], "data": [b64(picture(i)) for i in numbers]}

    def binary(self, document, blob, path="/v2/models/tiny/infer"):
        head = json.dumps(document).encode()
        return self.post(path, head + blob, {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))})

    def test_v2_server(self):
        server = self.d.get("/v2").json
        self.assertEqual(set(server), {"name", "version", "extensions"})
        self.assertLessEqual({"explain", "binary_tensor_data", "model_repository"}, set(server["extensions"]))
        self.assertEqual(self.d.get("/v2/health/live").json, {"live": True})
        self.assertEqual(self.d.get("/v2/health/ready").json, {"ready": True})
        for path in ("/v2/models/tiny/ready", "/v2/models/tiny/versions/1/ready"):
            self.assertEqual(self.d.get(path).json, {"name": "tiny", "ready": True})
        self.problem(self.d.get("/v2/models/tiny/versions/2/ready"), 404, "/version")

    def test_v2_metadata(self):
        for path in ("/v2/models/tiny", "/v2/models/tiny/versions/1"):
            m = self.d.get(path).json
            self.assertEqual(set(m), {"name", "versions", "platform", "inputs", "outputs"})
            self.assertEqual((m["name"], m["versions"]), ("tiny", ["1"]))
            for t in m["inputs"] + m["outputs"]:
                self.assertEqual(set(t), {"name", "datatype", "shape"})
                check_tensor_words(self, t, free=True)
            self.assertEqual(m["inputs"], [{"name": "input", "datatype": "FP32", "shape": [-1, 3, 16, 16]}])
            self.assertEqual({t["name"]: t["shape"] for t in m["outputs"]},
                             {"logits": [-1, 12], "probabilities": [-1, 12], "explanation": [-1], "map": [-1, -1, -1, -1]})

    def test_v2_infer_numbers_as_json_nested_json_and_binary(self):
        values = [((i * 37) % 101 - 50) / 25 for i in range(2 * 3 * 16 * 16)]
        flat = {"name": "input", "datatype": "FP32", "shape": [2, 3, 16, 16], "data": values}
        it = iter(values)
        nested = dict(flat, data=[[[[next(it) for _ in range(16)] for _ in range(16)] for _ in range(3)] for _ in range(2)])
        body, want = check_v2_response(self, self.infer(flat, id="seven"))
        self.assertEqual((body["id"], body["model_name"], body["model_version"]), ("seven", "tiny", "1"))
        self.assertEqual({k: v[0] for k, v in want.items()}, {"logits": [2, 12], "probabilities": [2, 12]})
        for i in range(2):
            self.assertAlmostEqual(sum(want["probabilities"][1][12 * i:12 * i + 12]), 1, 5)
        self.assertEqual(check_v2_response(self, self.infer(nested))[1], want)
        blob = struct.pack("<%df" % len(values), *values)
        tensor = {"name": "input", "datatype": "FP32", "shape": [2, 3, 16, 16], "parameters": {"binary_data_size": len(blob)}}
        for outputs in ({}, {"parameters": {"binary_data_output": True}},
                        {"outputs": [{"name": "probabilities"}, {"name": "logits", "parameters": {"binary_data": True}}]}):
            a = self.binary(dict(outputs, inputs=[tensor]), blob)
            self.assertEqual("Inference-Header-Content-Length" in a.headers, bool(outputs))
            got = check_v2_response(self, a)[1]
            for name in want:
                self.assertEqual(got[name][0], want[name][0])
                for x, y in zip(got[name][1], want[name][1]):
                    self.assertAlmostEqual(x, y, 5)

    def test_v2_infer_pictures_agrees_with_the_native_answer(self):
        for a in (self.infer(self.image(1, 2)),
                  self.binary({"inputs": [{"name": "input", "datatype": "BYTES", "shape": [2], "parameters":
                                           {"binary_data_size": 8 + len(picture(1)) + len(picture(2))}}]},
                              b"".join(struct.pack("<I", len(picture(i))) + picture(i) for i in (1, 2)))):
            _, got = check_v2_response(self, a)
            for row, i in enumerate((1, 2)):
                for p in self.native(i, "?top_k=12")["predictions"]:
                    self.assertAlmostEqual(got["logits"][1][12 * row + p["index"]], p["logit"], 5)
                    self.assertAlmostEqual(got["probabilities"][1][12 * row + p["index"]], p["probability"], 5)

    def test_v2_explains_by_a_parameter_and_by_an_output(self):
        want = [self.native(i, "?target=5&why_not=3&outputs=heatmap,raw") for i in (1, 2)]
        question = {"target": 5, "why_not": 3, "outputs": "heatmap,raw"}
        for binary in (False, True):
            for more in ({"parameters": dict(question, explain=True, binary_data_output=binary)},
                         {"parameters": dict(question, binary_data_output=binary), "outputs": [{"name": "map"}, {"name": "explanation"}]}):
                _, got = check_v2_response(self, self.infer(self.image(1, 2), **more))
                self.assertEqual(set(got), {"map", "explanation"} if "outputs" in more else {"logits", "probabilities", "explanation"})
                for text, native in zip(got["explanation"][1], want):
                    for key in ("model", "target", "why_not", "maps", "evidence"):
                        self.assertEqual(json.loads(text)[key], native[key])
                if "map" in got:
                    shape, values = got["map"]
                    raw = b"".join(base64.b64decode(w["maps"][0]["raw"]["data"]) for w in want)
                    self.assertEqual(shape, [2, 1] + want[0]["maps"][0]["raw"]["shape"])
                    for x, y in zip(values, struct.unpack("<%df" % (len(raw) // 4), raw)):
                        self.assertAlmostEqual(x, y, 6)

    def test_v2_what_is_refused(self):
        one = self.image(1)
        floats = {"name": "input", "datatype": "FP32", "shape": [1, 3, 16, 16], "data": [0] * 768}
        for change, pointer in (({"name": "x"}, "/inputs"), ({"datatype": "INT8"}, "/inputs/0/datatype"), ({"shape": [2]}, "/inputs/0/data"),
                                ({"shape": [0]}, "/inputs/0/shape"), ({"shape": []}, "/inputs/0/shape"), ({"shape": [1, 1, 1, 1, 1]}, "/inputs/0/shape"),
                                ({"shape": [65]}, "/inputs/0/shape"), ({"data": ["a", "b"]}, "/inputs/0/data"), ({"data": [1]}, "/inputs/0/data"),
                                ({"data": "AAAA"}, "/inputs/0/data"), ({"data": ["a" "b", 3]}, "/inputs/0/data"),
                                ({"parameters": {"binary_data_size": 3}}, "/inputs/0/data"), ({"shape": [1.5]}, "/inputs/0/shape")):
            self.problem(self.infer(dict(one, **change)), 400, pointer)
        for change in ({"shape": [1, 16, 16, 3]}, {"shape": [768]}):
            self.problem(self.infer(dict(floats, **change)), 400, "/inputs/0/shape")
        for data in ([0] * 767, [0] * 769, [[0] * 768, 0], ["0"] * 768, [None] * 768):
            self.problem(self.infer(dict(floats, data=data)), 400, "/inputs/0/data")
        head = json.dumps(dict(floats, data=[])).replace('"data": []', '"data": [%s]')
        for bad in ("0,,0", "[0,0", "0 0", "1e400", "nan", "0x1", "+1", ",0", "0,", "1-2", "."):
            text = '{"inputs":[%s]}' % (head % (bad + ",0" * 766))
            self.assertEqual(self.post("/v2/models/tiny/infer", text).status, 400, bad)
        data = '"%s"' % one["data"][0]
        text = json.dumps({"inputs": [dict(one, data=[])]})
        for list_of_one, status in ((data, 200), (" %s\n" % data, 200), (data + ",", 400), (data + " , ", 400), ("," + data, 400), (data + ",,", 400), (data + data, 400), ("", 400)):
            self.assertEqual(self.post("/v2/models/tiny/infer", text.replace('"data": []', '"data": [%s]' % list_of_one)).status, status, list_of_one[-5:])
        self.problem(self.infer(one, outputs=[{"name": "nope"}]), 400, "/outputs")
        self.problem(self.infer(one, outputs=[{"name": "map"}] * 2), 400, "/outputs")
        self.problem(self.infer(one, parameters={"metod": "la"}), 400, "/parameters/metod")
        self.assertIn("explain must be", self.problem(self.infer(one, parameters={"explain": 1}), 400, "/parameters/explain")["detail"])
        bare = [t["data"] for t in self.infer(one).json["outputs"]]
        for more in ({"id": None}, {"parameters": None}, {"outputs": None}, {"parameters": {"explain": None, "top_k": None, "binary_data_output": None}}):
            self.assertEqual([t["data"] for t in self.infer(one, **more).json["outputs"]], bare, more)
        self.problem(self.infer(one, parameters={"explain": True, "target": "nobody"}), 404, "/parameters/target")
        self.problem(self.infer(one, parameters={"explain": True, "version": "9"}), 404, "/parameters/version")
        self.problem(self.infer(floats, parameters={"explain": True, "outputs": "overlay"}), 400, "/inputs/0")
        self.problem(self.infer(one, path="/v2/models/nope/infer"), 404, "/model")
        self.problem(self.infer(floats, path="/v2/models/nope/infer"), 404, "/model")
        self.problem(self.infer(one, instances=[]), 400)
        self.problem(self.infer(dict(one, data=["AAAA"])), 415, "/inputs/0")
        self.assertIn("16777216", self.problem(self.infer(dict(one, shape=[2 ** 40])), 400, "/inputs/0/shape")["detail"])
        self.problem(self.post("/v2/models/tiny/infer?target=1", {"inputs": [one]}), 400)
        self.assertEqual(self.infer(one, parameters={"priority": 1, "timeout": 5}).status, 200)

    def test_v2_binary_framing_that_lies(self):
        image = picture(1)
        tensor = {"name": "input", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(image) + 4}}
        good = struct.pack("<I", len(image)) + image
        self.assertEqual(self.binary({"inputs": [tensor]}, good).status, 200)
        for blob in (good[:-1], good + b"x", b"", struct.pack("<I", 2 ** 32 - 1) + image, struct.pack("<I", len(image) - 1) + image,
                     struct.pack("<I", len(image) + 1) + image):
            self.problem(self.binary({"inputs": [tensor]}, blob), 400)
        self.assertIn(": %d bytes" % (len(good) - 1), self.problem(self.binary({"inputs": [tensor]}, good[:-1]), 400)["detail"])
        head = json.dumps({"inputs": [tensor]}).encode()
        for length in ("-1", "x", "", str(10 ** 30), str(len(head + good) + 1), "12abc", " 5"):
            a = self.post("/v2/models/tiny/infer", head + good, {"Inference-Header-Content-Length": length})
            self.assertEqual(a.status, 400, length)
        self.problem(self.binary({"inputs": [dict(tensor, parameters={"binary_data_size": -1})]}, good), 400)
        self.problem(self.binary({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 16, 16], "parameters": {"binary_data_size": len(good)}}]}, good), 400)
        nan = struct.pack("<768f", *([float("nan")] * 768))
        self.problem(self.binary({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 16, 16], "parameters": {"binary_data_size": len(nan)}}]}, nan), 400)

    # ---- TorchServe ----

    def test_torchserve(self):
        self.assertEqual(self.d.get("/ping").json, {"status": "Healthy"})
        want = {p["label"]: p["probability"] for p in self.native(1)["predictions"]}
        form = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.png"\r\n\r\n' + picture(1) + b"\r\n--x--\r\n"
        for a in (self.post("/predictions/tiny", picture(1), {}), self.post("/predictions/tiny", picture(1), {}, "PUT"),
                  self.post("/predictions/tiny/1", picture(1), {}), self.post("/predictions/tiny", {"image": {"b64": b64(picture(1))}}),
                  self.post("/predictions/tiny", form, {"Content-Type": "multipart/form-data; boundary=x"})):
            self.assertEqual((a.status, list(a.json), a.json), (200, list(want), want))
        for second in (b"data", b"body", b"image"):
            more = form.replace(b"--x--", b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % second + picture(2) + b"\r\n--x--")
            self.assertIn("image is given twice", self.problem(self.post("/predictions/tiny", more, {"Content-Type": "multipart/form-data; boundary=x"}), 400, "/image")["detail"])
        a = self.post("/explanations/tiny?target=5&why_not=3", picture(1), {})
        self.assertEqual(a.json["maps"], self.native(1, "?target=5&why_not=3")["maps"])
        self.problem(self.post("/predictions/nope", picture(1), {}), 404)
        self.problem(self.post("/predictions/tiny/2", picture(1), {}), 404, "/version")
        self.problem(self.post("/predictions/tiny", b"xx", {}), 415)
        self.problem(self.post("/predictions/tiny", {"instances": [{"b64": "AA=="}]}), 400)


if __name__ == "__main__":
    unittest.main()
