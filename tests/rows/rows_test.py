"""A contrast and a method that were added as one file and one row each are everywhere: in the lists, --help, OpenAPI, metrics and answers."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import asking  # noqa: E402
import daemon  # noqa: E402


class Rows(asking.Tiny):
    def test_in_the_lists(self):
        contrasts, methods = self.d.get("/v1/contrasts").json["contrasts"], self.d.get("/v1/methods").json["methods"]
        self.assertEqual([(c["summary"], c["formula"]) for c in contrasts if c["name"] == "unlikeliest"],
                         [("Why the target, rather than the least likely class?", "e_t - e_u, u = argmin y")])
        self.assertEqual([m["formula"] for m in methods if m["name"] == "activity"], ["sum_k a_k^2"])
        self.assertGreater(len(contrasts), 10)  # beside all the others
        self.assertGreater(len(methods), 8)

    def test_in_help(self):
        text = subprocess.run([os.environ["WHYNOTD"], "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout
        for words in ("unlikeliest", "Why the target, rather than the least likely class?", "activity", "weighted", "gradcam"):
            self.assertIn(words, text)

    def test_in_openapi(self):
        fields = self.d.get("/openapi.json").json["components"]["schemas"]["Question"]["properties"]
        self.assertIn("unlikeliest", fields["contrast"]["enum"])
        self.assertIn("activity", fields["method"]["enum"])

    def test_in_answers_and_metrics(self):
        a = self.d.explain(daemon.picture(1), "?contrast=unlikeliest&method=activity&top_k=12")
        self.assertEqual(a.status, 200, a.body[:300])
        m = a.json["maps"][0]
        self.assertEqual((m["contrast"], m["method"], m["rival"]["index"]), ("unlikeliest", "activity", a.json["predictions"][-1]["index"]))
        self.assertEqual(m["mass_negative"], 0)
        self.assertEqual(self.d.metric('whynot_explanations_total{method="activity",contrast="unlikeliest"}'), 1)
        self.assertEqual(self.d.explain(daemon.picture(1), "?contrast=unlikliest").json["did_you_mean"], ["unlikeliest"])


if __name__ == "__main__":
    unittest.main()
