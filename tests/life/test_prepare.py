"""Pictures that the device makes into the network's input: the answers are those that the host's input gives, and what the device does not take the host does."""
import json
import re
import threading
import unittest

import life
from life import daemon

# What looks at the input's numbers elsewhere too (evidence, methods of several runs, kept maps), and what does not.
QUESTIONS = ["", "why_not=auto:1", "why_not=auto:1&outputs=heatmap,overlay,bbox,raw&size=image", "method=gradient", "method=ig&steps=3",
             "method=smoothgrad&samples=2", "why_not=all&reuse=true", "evidence=mask", "method=la&contrast=weighted"]
SIZES = [(53, 41), (31, 33), (8, 9), (120, 70), (64, 64)]


class Prepare(life.Folder):
    fill = staticmethod(daemon.tiny_models)

    def counted(self, d):
        text = d.request("GET", "/metrics").body.decode()
        return {by: int(float(re.search(r'whynot_prepared_total\{by="%s"\} (\S+)' % by, text).group(1))) for by in ("device", "host")}

    def answers(self, how):
        """Of every question alone, of a list of pictures of several sizes, and of many at once; and who prepared how many."""
        environment = {"WHYNOT_PREPARE": how} if how else {}
        with life.faulty(self.folder.name, environment=environment) as d:
            found = [d.explain(daemon.picture(7, 53, 41), "?" + q) for q in QUESTIONS]
            body = {"instances": [{"image": {"b64": daemon.b64(daemon.picture(i, w, h))}, "method": "gradcam"} for i, (w, h) in enumerate(SIZES)]}
            found.append(d.ask(body))
            together = [None] * 12
            def ask(i):
                together[i] = d.explain(daemon.picture(i % 5, *SIZES[i % 5]), "?contrast=weighted")
            threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(together))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            for a in found + together:
                self.assertEqual(a.status, 200, a.body[:300])
            maps = [a.json["maps"] for a in found[:-1] + together] + [x["maps"] for x in found[-1].json["explanations"]]
            return json.dumps(maps, sort_keys=True), self.counted(d)

    def test_an_input_made_by_the_device_gives_the_same_answers(self):
        plain, none = self.answers(None)
        self.assertEqual(none["device"], 0)
        there, by = self.answers("yes")
        self.assertEqual(there, plain)
        self.assertGreaterEqual(by["device"], 15)
        self.assertGreaterEqual(by["host"], 4)
        self.assertEqual(sum(by.values()), sum(none.values()))

    def test_what_the_device_makes_is_what_the_network_sees(self):
        self.assertNotEqual(self.answers("mirror")[0], self.answers(None)[0])

    def test_a_picture_too_large_for_the_device_is_the_hosts(self):
        plain, _ = self.answers(None)
        small, by = self.answers("small")
        self.assertEqual(small, plain)
        self.assertGreater(by["device"], 0)
        self.assertGreaterEqual(by["host"], 6)


if __name__ == "__main__":
    unittest.main()
