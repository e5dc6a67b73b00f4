"""Many questions in one request, each as if alone, and what one bad instance does to its neighbours."""
import json
import unittest

import asking
from daemon import b64, picture


class Batches(asking.Asking):
    def test_sixteen_questions_about_sixteen_pictures_each_as_if_alone(self):
        questions = []
        for i in range(16):
            q = {"image": {"b64": b64(picture(i))}, "id": "q%d" % i, "outputs": ["heatmap", "raw"]}
            q.update([{}, {"target": i % 12}, {"target": i % 12, "why_not": (i + 5) % 12}, {"contrast": "weighted"},
                      {"why_not": "auto:2"}, {"method": "la"}, {"layer": "relu0"}, {"why_not": "auto:1", "contrast": "cross-entropy"}][i % 8])
            questions.append(q)
        batch = self.good(self.d.ask({"instances": questions}))["explanations"]
        self.assertEqual([a["id"] for a in batch], ["q%d" % i for i in range(16)])
        for q, a in zip(questions, batch):
            alone = self.good(self.d.ask(q))
            for key in ("predictions", "target", "why_not", "maps", "image"):
                self.same(a[key], alone[key], (q["id"], key))

    def same(self, a, b, where):
        self.assertEqual(a, b, where)

    def test_defaults_beside_the_list_and_one_picture_for_all(self):
        before = self.d.metric("whynot_batch_size_sum"), self.d.metric("whynot_batch_size_count")
        a = self.good(self.d.ask({"image": {"b64": b64(picture(7))}, "outputs": "raw", "target": 2,
                                  "instances": [{"why_not": 1}, {"target": 4}, {}]}))["explanations"]
        self.assertEqual([(x["target"]["index"], [w["index"] for w in x["why_not"]]) for x in a], [(2, [1]), (4, []), (2, [])])
        self.assertEqual(a[0]["predictions"], a[1]["predictions"])
        self.assertEqual(self.d.metric("whynot_batch_size_sum"), before[0] + 1, "one picture, one forward pass")

    def test_one_bad_instance_fails_alone(self):
        bad = [{"image": {"b64": b64(b"GIF89a....")}}, {"image": {"b64": b64(picture(1)[:200])}}, {"image": {"b64": "!"}}, {},
               {"image": {"b64": b64(picture(1))}, "target": "no such sign"}, {"image": {"b64": b64(picture(1))}, "tagret": 1}, 7,
               {"image": {"b64": b64(picture(1))}, "target": 3, "why_not": 3}]
        codes = ["UNSUPPORTED_MEDIA", "UNREADABLE_IMAGE", "UNREADABLE_IMAGE", "BAD_REQUEST", "NO_SUCH_CLASS", "BAD_REQUEST",
                 "BAD_REQUEST", "BAD_REQUEST"]
        alone = self.good(self.d.explain(picture(2)))
        for i, code in enumerate(codes):
            instances = [{"image": {"b64": b64(picture(2))}}] * 3
            instances[1] = bad[i]
            a = self.good(self.d.ask({"instances": instances}))["explanations"]
            self.assertEqual(a[1].get("code"), code, a[1])
            self.assertTrue(a[1]["errors"][0]["pointer"].startswith("/instances/1"), a[1])
            for good in (a[0], a[2]):
                self.assertEqual(good["maps"], alone["maps"])
        a = self.good(self.d.ask({"instances": bad}))["explanations"]
        self.assertEqual([x["code"] for x in a], codes)

    def test_batch_limits(self):
        one = {"image": {"b64": b64(picture(1))}}
        self.problem(self.d.ask({"instances": []}), 400, "BAD_REQUEST", "/instances")
        self.problem(self.d.ask({"instances": [one] * 65}), 400, "BAD_REQUEST", "/instances")
        self.problem(self.d.ask({"instances": one}), 400, "BAD_REQUEST", "/instances")
        a = self.d.request("POST", "/v1/models/tiny/explain", json.dumps({"instances": [one]}),
                           {"Content-Type": "application/json", "Accept": "image/png"})
        self.problem(a, 400, "BAD_REQUEST")


class BatchesInLargeBatches(Batches):
    options = asking.LARGE_BATCHES

    def same(self, a, b, where):
        """Kernels for several pictures may add in another order than those for one: equal to 1e-5, not to the bit."""
        if isinstance(a, dict):
            self.assertEqual(a.keys(), b.keys(), where)
            for key in a.keys() - {"data"}:
                self.same(a[key], b[key], (where, key))
            if "shape" in a:
                x, y = asking.raw_map({"raw": a}), asking.raw_map({"raw": b})
                self.assertLess(max(abs(p - q) for p, q in zip(x, y)), 1e-5 * max(map(abs, y)), where)
        elif isinstance(a, list):
            self.assertEqual(len(a), len(b), where)
            for x, y in zip(a, b):
                self.same(x, y, where)
        elif isinstance(a, float):
            self.assertAlmostEqual(a, b, delta=1e-5 * max(1, abs(b)), msg=where)
        else:
            self.assertEqual(a, b, where)

    test_one_bad_instance_fails_alone = None  # compares byte by byte, which holds for batches of one size only

    def test_pictures_are_gathered(self):
        before = self.d.metric("whynot_batch_size_count")
        self.good(self.d.ask({"instances": [{"image": {"b64": b64(picture(i))}} for i in range(16)]}))
        self.assertLessEqual(self.d.metric("whynot_batch_size_count") - before, 8)


if __name__ == "__main__":
    unittest.main()
