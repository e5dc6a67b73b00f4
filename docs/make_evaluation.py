#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the tables of docs/evaluation.md and writes them into it.

    docs/make_evaluation.py FOLDER [--whynot build/clients/whynot/whynot] [--jobs 1] [--only NAME,...]

FOLDER keeps data sets, lines and results: what is there already is not measured again, so it can be stopped
and started. WHYNOT_ASSETS names the folder of real networks and photographs; without it their tables stay as
they are. The bundled networks' pictures are rendered (NumPy and Pillow).
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PAGE = os.path.join(HERE, "evaluation.md")
ASSETS = os.environ.get("WHYNOT_ASSETS")
REAL = ["resnet18", "resnet50", "squeezenet10", "mobilenetv2_inat_birds", "gtsrb_cnn", "cifar_resnet20"]
BUNDLED = ["signs-resnet", "signs-vgg"]
SURE = ["mobilenetv2_inat_birds", "gtsrb_cnn", "cifar_resnet20"] + BUNDLED  # seldom give a second class 0.1
# Where a class of ImageNet is a bird, by its WordNet number.
BIRDS = [(1514668, 1622779), (1795545, 1860187), (2002556, 2058221)]


def run(*words, **more):
    print("+", " ".join(words), file=sys.stderr)
    return subprocess.run(words, check=True, **more)


# ---- data ----

def rendered(folder, name, *options, script="contrast_truth.py", rows="pictures.jsonl"):
    target = os.path.join(folder, name)
    if not os.path.exists(os.path.join(target, rows)):
        run(sys.executable, os.path.join(ROOT, "models", "signs", script), target, *options)
    return target


def photographs(folder, model):
    """The network's own kind of picture; for the birds those photographs that show one."""
    where = {"gtsrb_cnn": "gtsrb/images", "cifar_resnet20": "cifar/images"}.get(model, "images")
    source = os.path.join(ASSETS, where)
    if model != "mobilenetv2_inat_birds":
        return source
    target = os.path.join(folder, "birds.jsonl")
    with open(target, "w") as out:
        for path in sorted(glob.glob(os.path.join(source, "n*.JPEG"))):
            number = int(re.search(r"n(\d+)", os.path.basename(path)).group(1))
            if any(low <= number <= high for low, high in BIRDS):
                out.write(json.dumps({"image": path, "id": os.path.basename(path)}) + "\n")
    return target


def real_models(folder):
    target = os.path.join(folder, "models")
    if not os.path.isdir(target):
        run(sys.executable, os.path.join(ROOT, "tests", "http", "asset_models.py"), ASSETS, target, *REAL)
    return target


# ---- measuring ----

def measure(arguments, name, model, models, data, *options):
    """The result's JSON; from the folder where it was measured before."""
    result = os.path.join(arguments.folder, name + ".json")
    if not os.path.exists(result):
        lines = os.path.join(arguments.folder, name + ".jsonl")
        again = ["--resume"] if os.path.exists(lines) else []
        done = run(arguments.whynot, "evaluate", data, "--model", model, "--models", models, "--jobs", str(arguments.jobs), "--json",
                   "--output", lines, *again, *options, stdout=subprocess.PIPE)
        with open(result + ".part", "wb") as out:
            out.write(done.stdout)
        os.rename(result + ".part", result)
    with open(result) as f:
        return json.load(f)


def cells(result, metric, column):
    for m in result["metrics"]:
        for c in m["columns"]:
            if (m["metric"], c["column"]) == (metric, column):
                return {s["subject"]: s for s in c["subjects"]}
    return {}


def number(cell, digits=3):
    if not cell or cell["mean"] is None:
        return "-"
    return "%.*f" % (digits, cell["mean"])


def doubt(model):
    return ["--least-second", "0.01"] if model in SURE else []


# ---- tables ----

KEEPS = (("blur.positive", "keep +, blur"), ("zero.positive", "keep +, training's mean"), ("mean.positive", "keep +, own mean"),
         ("blur.negative", "keep -, blur"), ("zero.negative", "keep -, training's mean"), ("mean.negative", "keep -, own mean"))
CONTRASTS = ("logit", "mean", "max", "weighted")


def table1(results):
    out = ["| network, pictures | kept, fill | class | p | %s | weighted - logit | p of it |" % " | ".join(CONTRASTS),
           "|---|---|---|---|" + "---|" * (len(CONTRASTS) + 2)]
    right = wrong = sure = 0
    for model, result in results:
        n = cells(result, "masking", "p.1")["gradcam/logit"]["n"]
        for column, words in KEEPS:
            for which in ("1", "2"):
                row = cells(result, "masking", column + "." + which)
                difference = row["gradcam/weighted"]["against_first"]
                gap = difference["mean"]
                expected = gap is not None and (gap > 0) == ("positive" in column)
                right, wrong = right + expected, wrong + (not expected)
                sure += expected and difference["p"] < 0.05
                out.append("| %s | %s | t%s | %s | %s | %s | %s |" % (
                    "%s, %d" % (model, n), words, which, number(cells(result, "masking", "p." + which)["gradcam/logit"]),
                    " | ".join(number(row["gradcam/" + c]) for c in CONTRASTS),
                    "-" if gap is None else "%+.3f" % gap, "-" if difference["p"] is None else "%.2g" % difference["p"]))
    out.append("")
    out.append("In %d of %d cells weighted moves the chance further than logit in the direction that it should (%d of them with p < 0.05), in %d it does "
               "not." % (right, right + wrong, sure, wrong))
    return out


def la_claims(results):
    out = ["| network | cells in which weighted moves it further: Grad-CAM | Linear Approximation | max at least as far as weighted: Grad-CAM |", "|---|---|---|---|"]
    for model, result in results:
        count = {"gradcam": 0, "la": 0}
        most = total = 0
        for column, _ in KEEPS:
            for which in ("1", "2"):
                row = cells(result, "masking", column + "." + which)
                sign = 1 if "positive" in column else -1
                total += 1
                if row["gradcam/logit"]["mean"] is None:
                    continue
                for method in count:
                    count[method] += sign * (row[method + "/weighted"]["mean"] - row[method + "/logit"]["mean"]) > 0
                most += sign * (row["gradcam/max"]["mean"] - row["gradcam/weighted"]["mean"]) >= -1e-9
        out.append("| %s | %d of %d | %d of %d | %d of %d |" % (model, count["gradcam"], total, count["la"], total, most, total))
    return out


TRUTH = ("mass", "peak", "rank", "reversed.mass", "reversed.peak", "opposite", "paste.turns", "paste.left")


def leaderboard(results):
    out = []
    for model, result in results:
        area = cells(result, "contrast-truth", "area")
        first = next(iter(area.values()))
        turns = next(iter(cells(result, "counterfactual", "turns").values()), None)
        stays = next(iter(cells(result, "counterfactual", "stays").values()), None)
        out += ["**%s**, %d pictures; the telling pixels take %.1f %% of the picture." % (model, first["n"], 100 * first["mean"]) +
                (" With all of Q's pixels pasted the network says Q in %.1f %%; with as many changed elsewhere it stays in %.1f %%." %
                 (100 * turns["mean"], 100 * stays["mean"]) if turns else ""), "",
                "| method/contrast | " + " | ".join(TRUTH) + " |", "|---|" + "---|" * len(TRUTH)]
        columns = {c: cells(result, "contrast-truth", c) for c in TRUTH}
        for subject in sorted(area, key=lambda s: -(columns["mass"][s]["mean"] or 0)):
            out.append("| %s | %s |" % (subject, " | ".join(interval(columns[c][subject]) for c in TRUTH)))
        out.append("")
    return out


CELLS = 12  # a side of the bundled networks' last maps


def enlarging(pixels):
    """What enlarges a side of CELLS to one of `pixels`, linearly, pixel areas meeting."""
    matrix = np.zeros((pixels, CELLS))
    for i in range(pixels):
        at = min(max((i + .5) * CELLS / pixels - .5, 0), CELLS - 1)
        low = min(int(at), CELLS - 2)
        matrix[i, low:low + 2] = 1 - (at - low), at - low
    return matrix


def coarse(folder):
    """Mean share of mass on the truth of two maps made from it: cells as bright as their share of it, and the cells of which half is on it."""
    with open(os.path.join(folder, "pictures.jsonl")) as rows:
        names = [json.loads(row)["truth"] for row in rows]
    shares = []
    for name in names:
        with Image.open(os.path.join(folder, name)) as file:
            truth = np.asarray(file) > 0
        side = truth.shape[0]
        cells = truth.reshape(CELLS, side // CELLS, CELLS, side // CELLS).mean((1, 3))
        enlarge = enlarging(side)
        both = [enlarge @ c @ enlarge.T for c in (cells, cells >= .5)]
        shares.append([m[truth].sum() / m.sum() if m.any() else np.nan for m in both])
    return np.nanmean(shares, 0)


def ceiling(folder):
    share, half = coarse(folder)
    return ["A map of %d x %d cells that is made from the truth itself has, when it is enlarged, %.2f of its mass on it (each cell as bright as the share of it that" % (
                CELLS, CELLS, share),
            "tells) or %.2f (the cells of which half tells, and no other). That, and not 1, is what to hold *mass* against; a map of fewer cells can have more." % half]


SHOWN = ("logit", "mean", "probability", "weighted", "max", "finer", "pair")
PANELS = (("mass", "mass on the telling pixels"), ("peak", "peak on a telling pixel"), ("reversed.mass", "asked the other way round: mass"),
          ("reversed.peak", "asked the other way round: peak"))


def picture(results, path):
    """Grad-CAM with each contrast: a dot and its interval, one panel a number, one colour a network."""
    colours, row, left, wide, gap = ("#0b66c2", "#c2570b"), 24, 110, 210, 30
    width, height = left + len(PANELS) * (wide + gap), 60 + row * len(SHOWN) + 40
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="sans-serif" font-size="13">' % (width, height, width),
           '<title>Grad-CAM with each contrast on the contrast benchmark</title><rect width="100%" height="100%" fill="#fff"/>']
    for k, (model, _) in enumerate(results):
        out.append('<circle cx="%d" cy="14" r="5" fill="%s"/><text x="%d" y="18">%s</text>' % (left + 150 * k, colours[k], left + 150 * k + 10, model))
    for i, contrast in enumerate(SHOWN):
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 14, 60 + row * i + row // 2 + 4, contrast))
    for panel, (column, words) in enumerate(PANELS):
        x0 = left + panel * (wide + gap)
        out.append('<text x="%d" y="44">%s</text>' % (x0, words))
        for tick in (0, .25, .5, .75, 1):
            x = x0 + wide * tick
            out.append('<line x1="%.1f" x2="%.1f" y1="52" y2="%d" stroke="#d7dce1"/><text x="%.1f" y="%d" text-anchor="middle" fill="#5b6570">%g</text>' %
                       (x, x, 60 + row * len(SHOWN), x, 60 + row * len(SHOWN) + 18, tick))
        for k, (_, result) in enumerate(results):
            for i, contrast in enumerate(SHOWN):
                cell = cells(result, "contrast-truth", column)["gradcam/" + contrast]
                y = 60 + row * i + row // 2 + (4 if k else -4)
                out.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s" stroke-width="3"/><circle cx="%.1f" cy="%d" r="4.5" fill="%s"/>' %
                           (x0 + wide * cell["low"], x0 + wide * cell["high"], y, y, colours[k], x0 + wide * cell["mean"], y, colours[k]))
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n</svg>\n")


def interval(cell):
    if cell["mean"] is None:
        return "-"
    return "%.3f ± %.3f" % (cell["mean"], (cell["high"] - cell["low"]) / 2)


def figure3(results):
    out = ["| network, pictures | after n steps | " + " | ".join("%s: Δy, Δp" % c for c in CONTRASTS) + " |", "|---|---|" + "---|" * len(CONTRASTS)]
    for model, result in results:
        for n in ("1", "2", "10"):
            y, p = cells(result, "gradient-sign", "logit." + n), cells(result, "gradient-sign", "probability." + n)
            out.append("| %s, %d | %s | %s |" % (model, y["gradient/logit"]["n"], n, " | ".join(
                "%+.3f, %+.4f" % (y["gradient/" + c]["mean"], p["gradient/" + c]["mean"]) for c in CONTRASTS)))
    return out


PARTS = ("csdc", "pc", "dc", "d", "bi", "sd", "ts", "tau")


def parts(result):
    columns = [cells(result, "parts", c) for c in PARTS]
    out = ["| method/contrast, pictures | %s |" % " | ".join(PARTS), "|---|" + "---|" * len(PARTS)]
    for subject, first in columns[0].items():
        each = [number(c[subject]) + (" (%d pictures)" % c[subject]["n"] if c[subject]["n"] != first["n"] else "") for c in columns]
        out.append("| %s, %d | %s |" % (subject, first["n"], " | ".join(each)))
    return out


def plain(results, metrics):
    out = ["| network, pictures | method/contrast | " + " | ".join("%s %s" % mc for mc in metrics) + " |", "|---|---|" + "---|" * len(metrics)]
    for model, result in results:
        columns = [cells(result, *mc) for mc in metrics]
        for subject in columns[0]:
            out.append("| %s, %d | %s | %s |" % (model, columns[0][subject]["n"], subject, " | ".join(interval(c[subject]) if c else "-" for c in columns)))
    return out


def put(name, lines):
    """Between <!-- NAME --> and <!-- end --> of the page."""
    with open(PAGE) as f:
        text = f.read()
    pattern = re.compile(r"(<!-- %s -->\n).*?(<!-- end -->)" % re.escape(name), re.S)
    if not pattern.search(text):
        sys.exit("docs/evaluation.md has no place for '%s'" % name)
    with open(PAGE, "w") as f:
        f.write(pattern.sub(lambda m: m.group(1) + "\n".join(lines) + "\n" + m.group(2), text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--whynot", default=os.path.join(ROOT, "build", "clients", "whynot", "whynot"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="truth,place,parts,table1,figure3,curves,stability")
    a = parser.parse_args()
    only = a.only.split(",")
    os.makedirs(a.folder, exist_ok=True)
    own = os.path.join(ROOT, "models")
    real = real_models(a.folder) if ASSETS else None
    truth = rendered(a.folder, "truth", "--count", "2000")

    if "truth" in only:
        results = [(m, measure(a, "truth-" + m, m, own, truth, "--suite", "contrast-truth", "--method", "gradcam,la,layercam")) for m in BUNDLED]
        put("contrast-truth", leaderboard(results))
        put("ceiling", ceiling(truth))
        picture(results, os.path.join(HERE, "pictures", "contrast-truth.svg"))
        put("contrast-truth-pixels", leaderboard([(m, measure(a, "pixels-" + m, m, own, truth, "--suite", "contrast-truth", "--method", "gradient,ixg,lrp",
                                                              "--contrast", "logit,weighted,pair", "--limit", "300")) for m in BUNDLED]))
    if "place" in only:
        signs = rendered(a.folder, "signs", "--count", "300", "--truth", "sign")
        put("place", plain([(m, measure(a, "place-" + m, m, own, signs, "--suite", "place")) for m in BUNDLED],
                           [("content", "inside"), ("content", "area"), ("pointing", "exact")]))
    if "parts" in only:
        signs = rendered(a.folder, "parts", "--count", "72", script="parts.py", rows="parts.jsonl")
        put("parts", parts(measure(a, "parts-signs-resnet", "signs-resnet", own, signs, "--suite", "parts", "--method", "gradcam,ixg",
                                   "--contrast", "logit,weighted")))
    if "table1" in only:
        results = [(m, measure(a, "table1-" + m, m, real, photographs(a.folder, m), "--suite", "table1", *doubt(m))) for m in REAL] if ASSETS else []
        results += [(m, measure(a, "table1-" + m, m, own, truth, "--suite", "table1", *doubt(m))) for m in BUNDLED]
        if ASSETS:
            put("table1", table1(results))
            put("table1-claims", la_claims(results))
    if "figure3" in only and ASSETS:
        put("figure3", figure3([("resnet18", measure(a, "figure3-resnet18", "resnet18", real, photographs(a.folder, "resnet18"), "--suite", "figure3",
                                                     "--limit", "40"))] +
                               [(m, measure(a, "figure3-" + m, m, own, truth, "--suite", "figure3", "--limit", "200")) for m in BUNDLED]))
    if "curves" in only and ASSETS:
        options = ("--method", "gradcam,layercam", "--contrast", "logit,weighted")
        put("curves", plain([("resnet18", measure(a, "curves-resnet18", "resnet18", real, photographs(a.folder, "resnet18"), "--metric",
                                                  "insertion,deletion,confidence", "--limit", "60", *options))] +
                            [(m, measure(a, "curves-" + m, m, own, truth, "--metric", "insertion,deletion,confidence,road", "--limit", "60", *options))
                             for m in BUNDLED],
                            [("insertion", "auc"), ("deletion", "auc"), ("confidence", "drop"), ("confidence", "increase"), ("road", "combined")]))
    if "stability" in only:
        put("stability", plain([(m, measure(a, "stability-" + m, m, own, truth, "--suite", "stability", "--limit", "200")) for m in BUNDLED],
                               [("consistency", "cosine"), ("random-logit", "correlation"), ("random-weights", "correlation")]))


if __name__ == "__main__":
    main()
