"""The whole daemon on a GPU: test_daemon.py BUILD faults|speed. faults: a real illegal access ends it with status 70, everybody answered
(builds with -DWHYNOT_FAULTS=ON). speed: JPEG in, a drawn heatmap out, 64 clients, on ResNet-50 where it was brought along; a figure is printed,
not judged. Exits 77 where no GPU answers."""
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
        for precision in ("tf32", "bf16"):
            with daemon.Daemon(folder, "--backend", "cuda", "--precision", precision) as d:
                out = subprocess.run([os.path.join(BUILD, "clients", "bench", "whynot-bench"), "http", "--clients", "64", "--duration", "8", "--warmup", "2",
                                      "--url", "http://127.0.0.1:%d/v1/models/resnet50/explain" % d.port,
                                      "--body", os.path.join(assets, "images"), "--header", "Accept: image/png"],
                                     stdout=subprocess.PIPE, text=True, check=True).stdout
            print("| %s, JPEG in, PNG out, 64 clients" % precision)
            print("".join("|   " + line + "\n" for line in out.splitlines()))


def main():
    if subprocess.run([WHYNOT, "doctor", "--backend", "cuda"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        skip("the cuda backend does not compute here; `whynot doctor` says why")
    {"faults": faults, "speed": speed}[sys.argv[2]]()


if __name__ == "__main__":
    main()
