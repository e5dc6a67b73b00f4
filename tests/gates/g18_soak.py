#!/usr/bin/env python3
"""64 clients, mixed methods, contrasts, bodies and batches: every answer is, number for number, that of the question asked alone. 10 s; with --full
10 minutes."""
import http.client
import json
import tempfile
import threading
import time

import gate
from daemon import Daemon, b64, picture, tiny_models

METHODS = ["gradcam", "la", "hirescam", "layercam", "gradcampp", "xgradcam", "gradient", "ixg", "lrp"]
QUESTIONS = ["?method=%s" % m for m in METHODS]
QUESTIONS += ["?contrast=%s&target=1" % c for c in ("weighted", "max", "mean", "probability")]
QUESTIONS += ["?target=1&why_not=2", "?why_not=auto:2", "?contrast=cross-entropy&why_not=3", "?contrast=finer", "?contrast=subset&target=0,1&why_not=2,3",
              "?layer=relu0&method=la&target=2", "?maps=contrast,target,rival&why_not=auto:2", "?outputs=overlay", "?outputs=raw&target=3", "?normalize=minmax&top_k=2"]
PICTURES = 5
VOLATILE = ("timings_ms", "id")


def essence(answer):
    for a in answer.get("explanations", [answer]):
        for k in VOLATILE:
            a.pop(k, None)
    return json.dumps(answer, sort_keys=True)


def request_of(i):
    """The i-th of the different requests: (path, body, headers)."""
    model = ("tiny", "other")[i % 2]
    question, image = QUESTIONS[i // 2 % len(QUESTIONS)], picture(i // 2 // len(QUESTIONS) % PICTURES)
    path = "/v1/models/%s/explain" % model
    if i % 7 == 3:
        fields = dict(f.split("=", 1) for f in question[1:].split("&"))
        both = [{"image": {"b64": b64(image)}}, {"image": {"b64": b64(picture(3))}, "target": 1}]
        return path, json.dumps({"instances": both, "method": fields.get("method", "gradcam")}), {"Content-Type": "application/json"}
    return path + question, image, {"Content-Type": "image/png"}


def main():
    seconds, different = (600 if gate.FULL else 10), 2 * len(QUESTIONS) * PICTURES
    asked, differ, failed, lock, stop = [0], [], [], threading.Lock(), threading.Event()
    with tempfile.TemporaryDirectory() as folder, Daemon(tiny_models(folder), "--access-log=false") as d:
        want = {}
        for i in range(different):
            a = d.request("POST", *request_of(i))
            assert a.status == 200, (request_of(i)[0], a.body[:300])
            want[i] = essence(a.json)

        def client(c):
            connection, i, n = d.connect(), c * 37, 0
            while not stop.is_set():
                i = (i + 11) % different
                try:
                    a = d.request("POST", *request_of(i), connection=connection)
                except (OSError, http.client.HTTPException) as e:
                    failed.append(repr(e))
                    connection = d.connect()
                    continue
                n += 1
                if a.status != 200:
                    failed.append((a.status, a.body[:200]))
                elif essence(a.json) != want[i]:
                    differ.append(request_of(i)[0])
            with lock:
                asked[0] += n
        threads = [threading.Thread(target=client, args=(c,)) for c in range(64)]
        for t in threads:
            t.start()
        time.sleep(seconds)
        stop.set()
        for t in threads:
            t.join()
        depth = d.metric("whynot_queue_depth")
    note = "%d requests of 64 clients, %d kinds" % (asked[0], different)
    gate.figure("soak: answers that differ", len(differ), 0, not differ and asked[0] > 100, note + "".join(" " + x for x in sorted(set(differ))[:5]))
    gate.figure("soak: requests without an answer", len(failed), 0, not failed, str(failed[:2]) if failed else "")
    gate.figure("soak: queue afterwards", depth, 0, depth == 0)
    gate.finish()


main()
