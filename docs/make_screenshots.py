#!/usr/bin/env python3
"""Makes the README's pictures of the page: docs/make_screenshots.py [build/server/whynotd] (needs deploy/install-packages browser)."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests/web"), str(HERE.parent / "tests/http")]
import browser  # noqa: E402

browser.require()
os.environ["WHYNOTD"] = sys.argv[1] if len(sys.argv) > 1 else str(HERE.parent / "build/server/whynotd")
import daemon  # noqa: E402

SHOTS = [("page-light", 1280, 1010, False, ""),
         ("page-dark", 1280, 1010, True, "#sample=samples/speed-limit-30-1.png&why=speed+limit+30&rather_than=speed+limit+80&view=rivals"),
         ("page-phone", 360, 1000, False, "#sample=samples/turn-right-ahead-1.png&why=turn+right+ahead&rather_than=turn+left+ahead")]

with daemon.Daemon(str(HERE.parent / "models")) as d:
    b = browser.Browser()
    for name, width, height, dark, fragment in SHOTS:
        b.view(width, height, dark)
        b.open("http://127.0.0.1:%d/%s" % (d.port, fragment))
        b.answered("document.querySelector('#status').textContent.startsWith('Answered') && [...document.querySelectorAll('#samples img')].slice(0, 5).every((i) => i.complete)")
        b.picture(str(HERE / "pictures" / (name + ".jpg")), full=False, quality=66)
    b.close()
