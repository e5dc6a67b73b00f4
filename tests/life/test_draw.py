"""Heatmaps that the device draws: they are what the answer shows, and whatever it does not draw the server draws."""
import json
import unittest
import zlib

import life
from life import daemon

QUESTIONS = ["", "&outputs=heatmap,overlay,bbox,raw&maps=contrast,target,rival&normalize=shared", "&normalize=minmax&relu=true&size=input",
             "&method=gradient", "&why_not=all&reuse=true", "&outputs=rle"]


def indices(png):
    """Of a palette PNG, rows without their filters."""
    width, height, at, data, kind = 0, 0, 8, b"", None
    while at < len(png):
        size, name = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        body = png[at + 8:at + 8 + size]
        if name == b"IHDR":
            width, height, kind = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"), body[9]
        data += body if name == b"IDAT" else b""
        at += 12 + size
    rows = zlib.decompress(data)
    assert kind == 3 and len(rows) == height * (width + 1)
    out, above = b"", bytes(width)
    for y in range(height):
        row = bytearray(rows[y * (width + 1) + 1:(y + 1) * (width + 1)])
        how = rows[y * (width + 1)]
        assert how in (0, 1, 2), "a filter that is not known here"
        for x in range(width):
            row[x] = (row[x] + (0, row[x - 1] if x else 0, above[x])[how]) % 256
        above = bytes(row)
        out += above
    return out


class Draw(life.Folder):
    fill = staticmethod(daemon.tiny_models)

    def answers(self, how):
        """Maps of every question, alone and in a batch, and a picture of the first."""
        environment = {"WHYNOT_DRAW": how} if how else {}
        with life.faulty(self.folder.name, environment=environment) as d:
            found = [d.explain(daemon.picture(7, 53, 41), "?why_not=auto:1" + q if "why_not" not in q else "?" + q[1:]) for q in QUESTIONS]
            body = {"instances": [{"image": {"b64": daemon.b64(daemon.picture(i, 31 + i, 33))}, "why_not": "auto:1"} for i in range(3)]}
            found.append(d.ask(body))
            for a in found:
                self.assertEqual(a.status, 200, a.body[:300])
            maps = [a.json["maps"] for a in found[:-1]] + [x["maps"] for x in found[-1].json["explanations"]]
            picture = d.explain(daemon.picture(7, 53, 41), "?why_not=auto:1", Accept="image/png").body
            return json.dumps(maps, sort_keys=True), picture

    def test_what_the_device_draws_is_shown(self):
        (_, plain), (_, mirrored) = self.answers(None), self.answers("mirror")
        plain = indices(plain)
        self.assertGreater(len(set(plain)), 20)
        self.assertEqual(indices(mirrored), bytes(255 - i for i in plain))

    def test_whoever_draws_the_answers_are_the_same(self):
        plain = self.answers(None)
        for how in ("host", "half", "fail"):
            self.assertEqual(self.answers(how), plain, how)


if __name__ == "__main__":
    unittest.main()
