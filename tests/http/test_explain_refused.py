"""Questions that make no sense: each is refused where it stands."""
import unittest

import asking
from daemon import b64, picture


class Refused(asking.Asking):
    def test_label_that_does_not_exist(self):
        p = self.problem(self.d.explain(picture(1), "?target=no+right+trun"), 404, "NO_SUCH_CLASS", "/target")
        self.assertIn("no right turn", p["did_you_mean"])
        p = self.problem(self.d.explain(picture(1), "?why_not=speed"), 404, "NO_SUCH_CLASS", "/why_not")
        self.assertEqual(p["did_you_mean"], ["speed limit 30", "speed limit 50", "speed limit 80"])
        self.problem(self.d.explain(picture(1), "?target=12"), 404, "NO_SUCH_CLASS", "/target")
        self.problem(self.d.ask({"image": {"b64": b64(picture(1))}, "target": -1}), 404, "NO_SUCH_CLASS", "/target")

    def test_p_is_q(self):
        self.problem(self.d.explain(picture(1), "?target=3&why_not=3"), 400, "BAD_REQUEST", "/why_not")
        top = self.good(self.d.explain(picture(1)))["target"]["index"]
        self.problem(self.d.explain(picture(1), "?why_not=%d" % top), 400, "BAD_REQUEST")

    def test_unknown_field_names_the_nearest(self):
        p = self.problem(self.d.explain(picture(1), "?whynot=3"), 400, "BAD_REQUEST", "/whynot")
        self.assertEqual(p["did_you_mean"][0], "why_not")
        p = self.problem(self.d.ask({"image": {"b64": b64(picture(1))}, "metod": "la"}), 400, "BAD_REQUEST", "/metod")
        self.assertEqual(p["did_you_mean"][0], "method")
        body, headers = asking.form(("image", picture(1)), ("tarset", b"1"))
        p = self.problem(self.d.request("POST", "/v1/models/tiny/explain", body, headers), 400, "BAD_REQUEST", "/tarset")
        self.assertEqual(p["did_you_mean"][0], "target")
        p = self.problem(self.d.ask({"image": {"b64": b64(picture(1))}, "a" * 200: 1}), 400, "BAD_REQUEST")
        self.assertNotIn("did_you_mean", p)

    def test_every_unknown_key_is_refused_where_it_stands(self):
        image = {"b64": b64(picture(1))}
        self.problem(self.d.ask({"image": image, "": 1}), 400, "BAD_REQUEST", "/")
        self.problem(self.d.ask({"image": image, "a/b~c": 1}), 400, "BAD_REQUEST", "/a~1b~0c")
        one = self.good(self.d.ask({"instances": [{"image": image, "": 1}]}))["explanations"][0]
        self.assertEqual((one["status"], one["errors"][0]["pointer"]), (400, "/instances/0/"))

    def test_values_outside_their_range(self):
        image = {"b64": b64(picture(1))}
        for field, value in (("top_k", 2 ** 31), ("top_k", -1), ("top_k", 1.5), ("top_k", "five"), ("overlay", 2), ("relu", "maybe"),
                             ("outputs", ["heatmap"] * 1000), ("outputs", ["raw"] * 1000000), ("why_not", ["a"] * 1000000), ("outputs", "pictures"), ("contrast", "pear"), ("method", ""),
                             ("colormap", 3), ("normalize", "max"), ("timeout_ms", 0), ("id", "x" * 257), ("id", 5), ("maps", []),
                             ("target", 1.5), ("target", {}), ("why_not", [[1]]), ("why_not", [1, 1]), ("why_not", list(range(2000))),
                             ("size", "big"), ("layer", [])):
            p = self.problem(self.d.ask({"image": image, field: value}), 400, "BAD_REQUEST")
            if not isinstance(value, list) or len(value) < 65536:
                self.assertEqual(p["errors"][0]["pointer"], "/" + field, p)
            else:  # nothing is looked at
                self.assertRegex(p["detail"], "too many values|too much text")
        p = self.problem(self.d.ask({"image": image, "contrast": "wieghted"}), 400, "BAD_REQUEST", "/contrast")
        self.assertEqual(p["did_you_mean"], ["weighted"])
        self.problem(self.d.explain(picture(1), "?contrast=weighted&why_not=3"), 400, "BAD_REQUEST", "/why_not")
        self.problem(self.d.explain(picture(1), "?top_k=3&top_k=4"), 400, "BAD_REQUEST", "/top_k")

    def test_format_strings_are_only_text(self):
        p = self.problem(self.d.explain(picture(1), "?target=%25n%25s%25n"), 404, "NO_SUCH_CLASS")
        self.assertIn("%n%s%n", p["detail"])

    def test_urls_are_not_fetched(self):
        for image in ("http://169.254.169.254/", "file:///etc/passwd", {"url": "http://localhost/"}):
            p = self.problem(self.d.ask({"image": image}), 422, "UNREADABLE_IMAGE", "/image")
            self.assertIn("URLs are not accepted", p["detail"])
        one = self.good(self.d.ask({"instances": [{"image": "http://localhost/"}]}))["explanations"][0]
        self.assertEqual((one["status"], one["errors"][0]["pointer"]), (422, "/instances/0/image"))

    def test_a_picture_in_the_wrong_dress_is_told_the_right_one(self):
        """Neither is an address, and whoever sends it would look for one in vain."""
        text = b64(picture(1))
        for image in (text, "A" * 100000, "photo.png", ""):
            p = self.problem(self.d.ask({"image": image}), 400, "BAD_REQUEST", "/image")
            self.assertIn('must be an object in JSON, {"b64": "..."} with the picture in base64 and no data: before it', p["detail"])
        self.problem(self.d.explain(picture(1), "?image=photo.png"), 400, "BAD_REQUEST", "/image")
        uri = "data:image/png;base64," + text
        for image in (uri, uri.replace("data", "Data"), {"b64": uri}):
            p = self.problem(self.d.ask({"image": image}), 422, "UNREADABLE_IMAGE", *(["/image"] if isinstance(image, str) else []))
            self.assertRegex(p["detail"], "data URI is not accepted. send what stands behind its comma")
        one, = self.good(self.d.ask({"instances": [{"b64": uri}]}))["explanations"]
        self.assertIn("data URI is not accepted; send what stands behind its comma", one["detail"])
        for address in ("http://localhost/a.png", "file:///etc/passwd"):
            p = self.problem(self.d.ask({"image": {"b64": address}}), 422, "UNREADABLE_IMAGE")
            self.assertIn("URLs are not accepted", p["detail"])

    def test_numbers_that_overflow_in_the_network_are_the_requests_own_trouble(self):
        """Not a fault of the server: no 5xx, and never a NaN in JSON."""
        big = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3, 16, 16], "data": [3e38] * 768}]}
        for parameters in ({}, {"explain": True}):
            p = self.problem(self.d.ask(dict(big, parameters=parameters), "/v2/models/tiny/infer"), 422, "BAD_NUMBERS")
            self.assertIn("not finite", p["detail"])

    def test_missing_picture(self):
        self.problem(self.d.ask({"target": 1}), 400, "BAD_REQUEST", "/image")
        self.problem(self.d.explain(b""), 400, "BAD_REQUEST", "/image")
        self.assertIn("so is the picture", self.problem(self.d.ask({"image": {"b64": ""}}), 422, "UNREADABLE_IMAGE", "/image")["detail"])
        body, headers = asking.form(("target", b"1"))
        self.problem(self.d.request("POST", "/v1/models/tiny/explain", body, headers), 400, "BAD_REQUEST", "/image")


class RefusedInLargeBatches(Refused):
    options = asking.LARGE_BATCHES


if __name__ == "__main__":
    unittest.main()
