"""Each route answers what its name says; every answer has the headers that all share."""
import json
import unittest

import asking
import daemon


class Routes(asking.Tiny):
    def problem(self, answer, status, code):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "application/problem+json"))
        p = answer.json
        self.assertEqual((p["status"], p["code"], p["error"]), (status, code, p["detail"]))
        self.assertEqual(p["request_id"], answer.headers["X-Request-Id"])
        self.assertTrue(p["type"] and p["title"] and isinstance(p["errors"], list) and "instance" in p)
        return p

    def test_start_prints_a_table_and_three_lines_to_paste(self):
        self.assertRegex(self.d.table[0], "MODEL +VERSION +LAYER +MEMORY +WARM-UP +READY")
        self.assertRegex("".join(self.d.table), r"tiny +1 +relu1 .* yes")
        self.assertTrue(self.d.table[-3].startswith("curl --data-binary @"))
        self.assertTrue(self.d.table[-1].endswith("/metrics\n"))

    def test_alive_and_ready(self):
        self.assertEqual(self.d.get("/livez").json, {"status": "alive"})
        self.assertEqual(self.d.get("/readyz").json["status"], "ready")

    def test_models_are_listed_and_described(self):
        models = self.d.get("/v1/models").json["models"]
        self.assertEqual([(m["name"], m["ready"], m["classes"]) for m in models], [("other", True, 4), ("tiny", True, 12)])
        tiny = self.d.get("/v1/models/tiny").json
        self.assertEqual((tiny["name"], tiny["input"]["width"], tiny["layer"]["name"]), ("tiny", 16, "relu1"))
        self.assertRegex(tiny["sha256"], "^[0-9a-f]{64}$")
        p = self.problem(self.d.get("/v1/models/tinny"), 404, "NO_SUCH_MODEL")
        self.assertEqual(p["did_you_mean"], ["tiny"])

    def test_labels_are_found_by_their_words(self):
        labels = self.d.get("/v1/models/tiny/labels").json["labels"]
        self.assertEqual([x["label"] for x in labels], daemon.LABELS)
        found = self.d.get("/v1/models/tiny/labels?q=TURN").json["labels"]
        self.assertEqual([x["index"] for x in found], [7, 8, 0, 1])
        self.assertEqual(len(self.d.get("/v1/models/tiny/labels?limit=2").json["labels"]), 2)
        for bad in ("0", "-1", "2x", "", "4294967298", "2.5", "%202"):
            self.assertEqual(self.d.get("/v1/models/tiny/labels?limit=" + bad).status, 400, bad)

    def test_layers_name_what_can_be_explained(self):
        a = self.d.get("/v1/models/tiny/layers").json
        self.assertEqual(a["auto"], "relu1")
        self.assertIn({"name": "conv0", "op": "Conv", "shape": [8, 16, 16]}, a["layers"])

    def test_tables_come_with_their_words(self):
        for name in ("methods", "contrasts", "backends"):
            rows = self.d.get("/v1/" + name).json[name]
            self.assertTrue(rows and all(row["name"] and row["summary"] for row in rows), name)
        self.assertIn("gradcam", [m["name"] for m in self.d.get("/v1/methods").json["methods"]])
        self.assertIn("pair", [c["name"] for c in self.d.get("/v1/contrasts").json["contrasts"]])

    def test_version_and_page(self):
        self.assertRegex(self.d.get("/version").json["version"], r"^\d+\.\d+\.\d+$")
        page = self.d.get("/")
        self.assertTrue(page.headers["Content-Type"].startswith("text/html"))
        self.assertIn(b"curl", page.body)

    def test_openapi_lists_every_route_and_every_field(self):
        api = self.d.get("/openapi.json").json
        self.assertEqual(api["openapi"][:2], "3.")
        for path in ("/v1/explain", "/v1/models/{model}/explain", "/v1/models", "/metrics", "/livez", "/"):
            self.assertIn(path, api["paths"])
        fields = api["components"]["schemas"]["Question"]["properties"]
        for name in ("image", "target", "why_not", "contrast", "method", "layer", "layer_variant", "value", "normalize", "outputs", "top_k", "timeout_ms", "id"):
            self.assertIn(name, fields)
        query = [p["name"] for p in api["paths"]["/v1/explain"]["post"]["parameters"] if p["in"] == "query"]
        self.assertEqual(query, list(fields)[1:])
        self.assertEqual([p["name"] for p in api["paths"]["/v1/models/{model}/labels"]["get"]["parameters"]], ["model", "q", "limit"])

    def test_metrics_count_requests_by_route_and_code(self):
        line = 'whynot_requests_total{route="/version",code="200"}'
        before = self.d.metric(line)
        self.d.get("/version")
        daemon.wait_until(lambda: self.d.metric(line) == before + 1)
        text = self.d.get("/metrics").body.decode()
        for name in ("whynot_queue_depth", "whynot_pictures_running", "whynot_batch_size_bucket", 'whynot_model_loaded{model="tiny"', "whynot_build_info",
                     'whynot_stage_seconds_count{stage="forward"}', "whynot_rejected_total"):
            if "stage" not in name:
                self.assertIn(name, text)

    def test_durations_are_counted_by_route_code_and_model(self):
        line = 'whynot_request_duration_seconds_count{route="%s",code="%d",model="%s"}'
        cases = [(lambda: self.d.explain(daemon.picture(1)), "/v1/models/{model}/explain", 200, "tiny"), (lambda: self.d.get("/livez"), "/livez", 200, ""),
                 (lambda: self.d.get("/v1/models/none"), "/v1/models/{model}", 404, "")]
        for ask, route, code, model in cases:
            before = self.d.metric(line % (route, code, model)) or 0
            ask()
            daemon.wait_until(lambda: self.d.metric(line % (route, code, model)) == before + 1)

    def test_histograms_are_cumulative(self):
        for i in range(3):
            self.d.explain(daemon.picture(i))
        text = self.d.get("/metrics").body.decode().splitlines()
        counts = [int(t.rsplit(" ", 1)[1]) for t in text if t.startswith('whynot_request_duration_seconds_bucket{route="/v1/models/{model}/e')
                  and 'code="200"' in t]
        self.assertEqual(counts, sorted(counts))
        self.assertGreaterEqual(counts[-1], 3)

    def test_common_headers(self):
        for path in ("/livez", "/nope", "/v1/models/none"):
            h = self.d.get(path).headers
            self.assertEqual((h["X-Content-Type-Options"], h["Cache-Control"]), ("nosniff", "no-store"))
            self.assertRegex(h["X-Request-Id"], "^[0-9a-f]{16}$")
            self.assertIn("dur=", h["Server-Timing"])
            self.assertIsNone(h["Server"])

    def test_request_id_is_kept_only_where_it_is_harmless(self):
        self.assertEqual(self.d.get("/livez", X_Request_Id="a-B_9.z").headers["X-Request-Id"], "a-B_9.z")
        for bad in ("a b", "x" * 65, "\x1b[2J", "a;b"):
            self.assertRegex(self.d.get("/livez", X_Request_Id=bad).headers.get("X-Request-Id", "0" * 16), "^[0-9a-f]{16}$")

    def test_trace_context_goes_through(self):
        trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        got = self.d.get("/livez", traceparent="00-%s-%s-01" % (trace, span)).headers["traceparent"]
        self.assertRegex(got, "^00-%s-[0-9a-f]{16}-01$" % trace)
        self.assertNotIn(span, got)
        daemon.wait_until(lambda: self.d.errors().count('"trace_id":"%s"' % trace) == 1)
        # A later version is read as 00 and may be longer; what is passed on is 00 with the one flag that it knows.
        for header, flags in (("01-%s-%s-01", "01"), ("cc-%s-%s-00-what-will-be", "00"), ("fe-%s-%s-03-", "01"), ("00-%s-%s-ff", "01"), ("00-%s-%s-02", "00")):
            got = self.d.get("/livez", traceparent=header % (trace, span)).headers["traceparent"]
            self.assertRegex(got, "^00-%s-[0-9a-f]{16}-%s$" % (trace, flags), header)

    def test_a_trace_context_that_is_none_begins_anew(self):
        trace, span, none = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "0" * 32
        good = "%s-%s-01" % (trace, span)
        headers = [None, "", "00", "0" * 55, "x" * 500, "00-" + good + "-more", "00-" + good + "x", "01-" + good + "x", "01-%s-%s-0-1" % (trace, span), "ff-" + good, "0-" + good,
                   "0x-" + good, "001-" + good, "00-%s-%s-01" % (none, span), "00-%s-%s-01" % (trace, none[:16]), "00-%s-%s-01" % (trace.upper(), span), "00-%s-%s" % (trace, span),
                   "00-%s-%s-0x" % (trace, span), '00-%s"\\-%s-01' % (trace[:30], span)]
        seen = set()
        for header in headers:
            got = self.d.get("/livez", **({} if header is None else {"traceparent": header})).headers["traceparent"]
            self.assertRegex(got, "^00-[0-9a-f]{32}-[0-9a-f]{16}-00$", header)
            self.assertNotIn(trace[:6], got, header)
            seen.add(got)
        self.assertEqual(len(seen), len(headers))

    def test_head_is_get_without_the_body(self):
        a, b = self.d.request("HEAD", "/v1/methods"), self.d.get("/v1/methods")
        self.assertEqual((a.status, a.body, a.headers["Content-Length"]), (200, b"", str(len(b.body))))

    def test_wrong_method_names_the_right_ones(self):
        a = self.d.request("POST", "/v1/models", b"x")
        self.problem(a, 405, "METHOD_NOT_ALLOWED")
        self.assertEqual(a.headers["Allow"], "GET, HEAD")
        a = self.d.get("/v1/explain")
        self.problem(a, 405, "METHOD_NOT_ALLOWED")
        self.assertEqual(a.headers["Allow"], "POST")
        a = self.d.request("FOO", "/livez")
        self.problem(a, 405, "METHOD_NOT_ALLOWED")
        self.assertNotIn(b"FOO", a.body)

    def test_unknown_paths_are_not_found(self):
        for path in ("/nope", "/v1", "/v1/", "/v1/models/", "/v1/models/tiny/", "//v1/models", "/v1/%6dodels", "/v1/models/tiny/nope",
                     "/v1/models/..%2f..%2fetc%2fpasswd", "/../../etc/passwd", "/livez;x"):
            self.assertIn(self.d.get(path).status, (404,), path)

    def test_paths_that_cannot_be_decoded_are_bad(self):
        for path in ("/v1/models/a%00.png", "/v1/models/%zz", "/v1/models/%ff", "/v1/models/a%0d%0ab", "/v1/models/%c0%af",
                     "/livez?a=%zz", "/livez?" + "&".join("a%d" % i for i in range(80))):
            self.problem(self.d.get(path), 400, "BAD_REQUEST")

    def test_log_has_one_json_line_a_request(self):
        self.d.get("/livez", X_Request_Id="find-me")
        daemon.wait_until(lambda: "find-me" in self.d.errors())
        lines = [json.loads(line) for line in self.d.errors().splitlines()]
        mine = [line for line in lines if line.get("request_id") == "find-me"]
        self.assertEqual([(m["method"], m["route"], m["status"]) for m in mine], [("GET", "/livez", 200)])


if __name__ == "__main__":
    unittest.main()
