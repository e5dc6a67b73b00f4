#!/usr/bin/env python3
"""Draws the README's pictures from a running daemon's answers: make_pictures.py [http://127.0.0.1:8420] (needs Pillow).

Each strip shows the picture, why P, why P rather than Q, and why Q rather than P."""
import io
import pathlib
import sys
import urllib.parse
import urllib.request

from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = HERE.parent / "models" / "signs-resnet" / "samples"
ANSWERS = [("no-right-turn-1.png", "no right turn", "no left turn"),
           ("speed-limit-30-1.png", "speed limit 30", "speed limit 80"),
           ("turn-right-ahead-1.png", "turn right ahead", "turn left ahead")]
SIDE = 232
GAP = 8


def ask(url, picture, **question):
    query = urllib.parse.urlencode({"outputs": "overlay", "overlay": 0.8, **question})
    request = urllib.request.Request(url + "/v1/models/signs-resnet/explain?" + query, picture.read_bytes(),
                                     {"Content-Type": "image/png", "Accept": "image/png"})
    return Image.open(io.BytesIO(urllib.request.urlopen(request).read())).convert("RGB")


def strip(url, name, p, q):
    picture = SAMPLES / name
    views = [Image.open(picture).convert("RGB"), ask(url, picture, target=p, contrast="logit"),
             ask(url, picture, target=p, why_not=q), ask(url, picture, target=q, why_not=p)]
    out = Image.new("RGB", (len(views) * (SIDE + GAP) - GAP, SIDE), "white")
    for i, view in enumerate(views):
        out.paste(view.resize((SIDE, SIDE), Image.BICUBIC), (i * (SIDE + GAP), 0))
    return out


if __name__ == "__main__":
    daemon = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8420"
    for i, (name, p, q) in enumerate(ANSWERS, 1):
        strip(daemon, name, p, q).save(HERE / "pictures" / ("answer-%d.jpg" % i), quality=88)
