"""The whole daemon on a GPU: test_daemon.py BUILD faults|speed|devices [options]. faults: a real illegal access ends it with status 70, everybody answered
(builds with -DWHYNOT_FAULTS=ON). speed: JPEG in, a drawn heatmap out, 64 clients, with one worker and with two, and then half of the best of these as an open
load; the goals of an H100 with 16 cores stand beside it and are not judged. devices: where there are several cards, all of them answer, and with the bytes of the
first one alone. Exits 77 where no GPU answers, or the network was not brought along."""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
import asset_models  # noqa: E402
import daemon  # noqa: E402
import device_loss  # noqa: E402
import jpegs  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
parser.add_argument("what", choices=("faults", "speed", "devices"))
parser.add_argument("--daemon", help="of faults: another one than the build's, which needs no card: tries the script where there is none")
parser.add_argument("--run", type=int, default=400, help="of faults: the one in which it happens, behind all that is computed before the models are ready")
parser.add_argument("--backend", default="cuda", help="of speed: another one tries the script where there is no card")
parser.add_argument("--precisions", default="tf32,bf16", help="of speed")
parser.add_argument("--network", default="resnet50", help="of speed: its name in the folder that WHYNOT_ASSETS names")
parser.add_argument("--seconds", type=float, default=8, help="of speed: of each load")
OPTIONS = parser.parse_args()
BUILD = os.path.abspath(OPTIONS.build)
WHYNOT = os.path.join(BUILD, "clients", "whynot", "whynot")
os.environ["WHYNOTD"] = OPTIONS.daemon or os.path.join(BUILD, "server", "whynotd")
GOAL_RATE, GOAL_P99_MS = 6000, 25  # ResNet-50 on an H100 with 16 cores: 64 clients, and half of what they get
PICTURES = 768  # so that of those of a run hardly two are the same


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def faults():
    with tempfile.TemporaryDirectory() as folder:
        daemon.tiny_models(folder)

        def start():  # on one card: the more workers, the more is computed before the models are ready
            return daemon.Daemon(folder, "--backend", "cuda", "--devices", "0", environment={"WHYNOT_FAULT": "cuda:illegal@run=%d" % OPTIONS.run})

        def ask(d, i, n, connection):
            return d.explain(daemon.picture(i * 7 + n % 5), connection=connection)
        loss = device_loss.watch(start, 8, ask, tries=3 if OPTIONS.daemon else 1, unseen=True)
        print("| %d answers with 200 and %d with 503 before it ended with %d, %.2f s after the last of those with 200"
              % (loss.count(200), loss.count(503), loss.code, loss.seconds))


def processor_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(d, pictures, *how):
    """What the load generator says of it, and the milliseconds of the host's processors an answer; everything was answered."""
    before = processor_seconds(d.process.pid)
    report = subprocess.run([os.path.join(BUILD, "clients", "bench", "whynot-bench"), "http", "http://127.0.0.1:%d/v1/models/%s/explain" % (d.port, OPTIONS.network),
                             *how, "--duration", str(OPTIONS.seconds), "--warmup", "2", "--json", "--body", pictures, "--header", "Accept: image/png"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    report = json.loads(report)
    assert list(report["status"]) == ["200"] and not any(report["errors"].values()), report
    report["processor_ms"] = (processor_seconds(d.process.pid) - before) * 1e3 / report["answered"]
    return report


def differ(d, pictures):
    """Two pictures that were made of one file are two pictures: a run computes both."""
    asked = [open(os.path.join(pictures, name), "rb").read() for name in ("0000.jpg", "%04d.jpg" % (PICTURES - PICTURES % len(FILES) - len(FILES)))]
    answers = [d.explain(jpeg, model=OPTIONS.network, Content_Type="image/jpeg").json["predictions"] for jpeg in asked]
    assert answers[0] != answers[1], answers


def speed():
    global FILES
    assets = os.environ.get("WHYNOT_ASSETS", "")
    FILES = sorted(glob.glob(os.path.join(assets, "images", "*.JPEG")))
    if not os.path.isfile(os.path.join(assets, "models", OPTIONS.network + ".onnx")) or not FILES:
        skip("%s.onnx and photographs were not brought along" % OPTIONS.network)
    best = (0, "", 0)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as pictures:
        asset_models.write(assets, folder, [OPTIONS.network])
        jpegs.variants(FILES, pictures, PICTURES)

        def start(precision, workers):
            return daemon.Daemon(folder, "--backend", OPTIONS.backend, "--precision", precision, "--workers", str(workers), "--devices", "0", "--max-queue-size", "1024")
        for precision in OPTIONS.precisions.split(","):
            for workers in (1, 2):
                with start(precision, workers) as d:
                    differ(d, pictures)
                    report = load(d, pictures, "--clients", "64")
                print("| %s, %d worker%s, JPEG in, PNG out, 64 clients: %.0f answers a second (H10: %d), p50 %.1f ms, p99 %.1f ms, %.2f ms of the host's processors each" % (
                    precision, workers, "s" if workers > 1 else "", report["goodput"], GOAL_RATE, report["latency_ms"]["ok"]["p50"], report["latency_ms"]["ok"]["p99"],
                    report["processor_ms"]), flush=True)
                best = max(best, (report["goodput"], precision, workers))
        with start(*best[1:]) as d:
            report = load(d, pictures, "--rate", "%.6g" % (best[0] / 2))
        print("| %s, %d worker%s, %.0f requests a second whatever comes back: p50 %.1f ms, p99 %.1f ms (H11: %d); the generator itself late by %.1f ms at p99" % (
            best[1], best[2], "s" if best[2] > 1 else "", best[0] / 2, report["latency_ms"]["ok"]["p50"], report["latency_ms"]["ok"]["p99"], GOAL_P99_MS,
            report["latency_ms"]["generator_delay"]["p99"]))


def devices():
    pictures = [daemon.picture(n) for n in range(16)]

    def ask_all(d):
        bodies = [None] * len(pictures)

        def client(i):
            connection = d.connect()
            for n in range(i, len(pictures), 8):
                bodies[n] = d.explain(pictures[n], "?why_not=auto:1", connection=connection, Accept="image/png").body
        daemon.in_threads(8, client)
        return bodies

    def images(d):
        lines = d.get("/metrics").body.decode().splitlines()
        return [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("whynot_device_images_total{")]
    with tempfile.TemporaryDirectory() as folder:
        daemon.tiny_models(folder)
        options = ("--backend", "cuda", "--precision", "f32", "--max-batch-size", "1")
        with daemon.Daemon(folder, *options) as d:
            if len(images(d)) < 2:
                skip("there is one card")
            for _ in range(50):
                all_of_them = ask_all(d)
            print("| images by device: %s" % images(d))
            assert all(images(d)), d.table
        with daemon.Daemon(folder, *options, "--devices", "0", "--workers", "1") as d:
            assert ask_all(d) == all_of_them


def computes():
    """Whatever else the doctor finds here."""
    said = subprocess.run([WHYNOT, "doctor", "--backend", OPTIONS.backend, "--json"], stdout=subprocess.PIPE, text=True).stdout
    return any(f["part"] == OPTIONS.backend and f["topic"] == "computes on" for f in json.loads(said)["findings"])


def main():
    if not OPTIONS.daemon and not computes():
        skip("the %s backend does not compute here; `whynot doctor` says why" % OPTIONS.backend)
    {"faults": faults, "speed": speed, "devices": devices}[OPTIONS.what]()


if __name__ == "__main__":
    main()
