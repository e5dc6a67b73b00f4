#!/usr/bin/env python3
"""Makes the README's pictures of the page, and that of an audit's: docs/make_screenshots.py [build/server/whynotd] (needs deploy/install-packages browser)."""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests" / part) for part in ("web", "http", "cli")]
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

with tempfile.TemporaryDirectory() as folder:  # two suspects of 480 pictures
    import flipped_signs  # noqa: E402
    flipped_signs.make(folder, 480, 24)
    whynot = pathlib.Path(os.environ["WHYNOTD"]).parent.parent / "clients/whynot/whynot"
    subprocess.run([whynot, "audit", "confusable.csv", "-m", "signs-resnet", "--report", "audit.html"], cwd=folder, stdout=subprocess.DEVNULL, check=True,
                   env=dict(os.environ, WHYNOT_MODELS=str(HERE.parent / "models")))
    b = browser.Browser()
    b.view(900, 1310, False)
    b.open("file://%s/audit.html" % folder)
    b.js("const all = [...document.querySelectorAll('.card')], of = (words) => all.find((c) => c.querySelector('h2 .rival').textContent === words);"
         "const shown = [of('no left turn'), of('speed limit 30')]; all.forEach((c) => { c.hidden = !shown.includes(c); })")
    b.picture(str(HERE / "pictures/audit.jpg"), full=False, quality=66)
    b.close()
