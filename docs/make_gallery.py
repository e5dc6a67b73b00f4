#!/usr/bin/env python3
"""Draws docs/pictures/gallery.jpg from a running daemon's answers: make_gallery.py [http://127.0.0.1:8420] (needs Pillow).

One bundled picture: rows are methods, columns contrasts, both as the daemon lists them. Maps over a layer lie on the picture, maps over the
pixels stand alone."""
import io
import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

from PIL import Image, ImageDraw, ImageFont

HERE = pathlib.Path(__file__).resolve().parent
PICTURE = HERE.parent / "models" / "signs-resnet" / "samples" / "no-right-turn-1.png"
TARGET, RIVAL = "no right turn", "no left turn"
SIDE, GAP, LEFT, TOP = 104, 5, 116, 30


def names(url, table):
    return json.load(urllib.request.urlopen(url + "/v1/" + table))[table]


def ask(url, method, contrast):
    outputs = "heatmap" if method["explains"] == "the input" else "overlay"  # single pixels are lost on a picture
    question = {"outputs": outputs, "overlay": 0.8, "target": TARGET, "method": method["name"], "contrast": contrast["name"]}
    if contrast["why_not"] != "none":
        question["why_not"] = RIVAL
    request = urllib.request.Request(url + "/v1/models/signs-resnet/explain?" + urllib.parse.urlencode(question), PICTURE.read_bytes(),
                                     {"Content-Type": "image/png", "Accept": "image/png"})
    try:
        return Image.open(io.BytesIO(urllib.request.urlopen(request).read())).convert("RGB")
    except urllib.error.HTTPError:
        return None  # refused by name: an empty place


def font(size):
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default()


def label(draw, text, x, y, width, size=13):
    while draw.textlength(text, font=font(size)) > width and size > 8:
        size -= 1
    draw.text((x, y), text, fill="black", font=font(size))


def gallery(url):
    methods, contrasts = names(url, "methods"), [c for c in names(url, "contrasts") if c["name"] != "regression"]
    out = Image.new("RGB", (LEFT + len(contrasts) * (SIDE + GAP), TOP + len(methods) * (SIDE + GAP)), "white")
    draw = ImageDraw.Draw(out)
    for k, c in enumerate(contrasts):
        label(draw, c["name"], LEFT + k * (SIDE + GAP) + 2, 8, SIDE - 2)
    for i, m in enumerate(methods):
        y = TOP + i * (SIDE + GAP)
        label(draw, m["name"], 4, y + SIDE // 2 - 8, LEFT - 8)
        for k, c in enumerate(contrasts):
            view, x = ask(url, m, c), LEFT + k * (SIDE + GAP)
            if view:
                out.paste(view.resize((SIDE, SIDE), Image.BICUBIC), (x, y))
            else:
                draw.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill="#f2f2f2")
                label(draw, "refused", x + SIDE // 2 - 20, y + SIDE // 2 - 7, SIDE, 11)
    return out


if __name__ == "__main__":
    gallery(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8420").save(HERE / "pictures" / "gallery.jpg", quality=80)
