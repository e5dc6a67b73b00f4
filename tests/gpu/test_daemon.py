"""The whole daemon on a GPU: test_daemon.py BUILD faults|speed|devices. faults: a real illegal access ends it with status 70, everybody answered
(builds with -DWHYNOT_FAULTS=ON). speed: JPEG in, a drawn heatmap out, 64 clients, on ResNet-50 where it was brought along, with one worker and with two; figures are
printed, not judged. devices: where there are several cards, all of them answer, and with the bytes of the first one alone. Exits 77 where no GPU answers."""
import os
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
import daemon  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
WHYNOT = os.path.join(BUILD, "clients", "whynot", "whynot")
os.environ["WHYNOTD"] = os.path.join(BUILD, "server", "whynotd")


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def faults():
    with tempfile.TemporaryDirectory() as folder:
        daemon.tiny_models(folder)
        d = daemon.Daemon(folder, "--backend", "cuda", environment={"WHYNOT_FAULT": "cuda:illegal@run=400"})
        statuses, lock = [], threading.Lock()

        def client(i):
            connection = d.connect()
            for n in range(2000):
                try:
                    status = d.explain(daemon.picture(i * 7 + n % 5), connection=connection).status
                except OSError:
                    return  # gone, and asked after it had
                with lock:
                    statuses.append(status)
                if status != 200:
                    return
        daemon.in_threads(8, client)
        code = d.process.wait(30)
        print("| %d answers with 200 and %d with 503 before it ended with %d" % (statuses.count(200), statuses.count(503), code))
        assert code == 70, d.errors()
        assert set(statuses) <= {200, 503}, set(statuses)
        assert 200 in statuses and 503 in statuses, statuses
        assert "the device is lost" in d.errors(), d.errors()


def speed():
    assets = os.environ.get("WHYNOT_ASSETS", "")
    network = os.path.join(assets, "models", "resnet50.onnx")
    with tempfile.TemporaryDirectory() as folder:
        if not os.path.isfile(network):
            skip("resnet50.onnx was not brought along")
        subprocess.run([WHYNOT, "import", network, "--to", folder, "--name", "resnet50", "--profile", "center-crop",
                        "--labels", os.path.join(assets, "labels", "imagenet_labels.json")], check=True, stdout=subprocess.DEVNULL)
        for precision, workers in (("tf32", 1), ("tf32", 2), ("bf16", 1), ("bf16", 2)):
            with daemon.Daemon(folder, "--backend", "cuda", "--precision", precision, "--workers", str(workers), "--devices", "0") as d:
                out = subprocess.run([os.path.join(BUILD, "clients", "bench", "whynot-bench"), "http", "--clients", "64", "--duration", "8", "--warmup", "2",
                                      "--url", "http://127.0.0.1:%d/v1/models/resnet50/explain" % d.port,
                                      "--body", os.path.join(assets, "images"), "--header", "Accept: image/png"],
                                     stdout=subprocess.PIPE, text=True, check=True).stdout
            print("| %s, %d worker%s, JPEG in, PNG out, 64 clients" % (precision, workers, "s" if workers > 1 else ""))
            print("".join("|   " + line + "\n" for line in out.splitlines()))


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


def main():
    if subprocess.run([WHYNOT, "doctor", "--backend", "cuda"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        skip("the cuda backend does not compute here; `whynot doctor` says why")
    {"faults": faults, "speed": speed, "devices": devices}[sys.argv[2]]()


if __name__ == "__main__":
    main()
