#!/usr/bin/env python3
"""What the fuzzers start from and have found: one zip a target in corpora/.

    corpora.py unpack TARGET FOLDER    corpora.py pack TARGET FOLDER    corpora.py replay PROGRAM TARGET"""
import os
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
MOST_BYTES = 160000  # of one target, before compression: the small files first


def archive(target):
    return os.path.join(HERE, "corpora", target + ".zip")


def unpack(target, folder):
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(archive(target)):
        with zipfile.ZipFile(archive(target)) as z:
            z.extractall(folder)


def contents(folder):
    found = set()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            found.add(f.read())
    return found


def pack(target, folder, first=()):
    """The same files give the same bytes. first: contents that are kept before all others."""
    os.makedirs(os.path.dirname(archive(target)), exist_ok=True)
    total = 0
    with zipfile.ZipFile(archive(target), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for i, data in enumerate(sorted(contents(folder), key=lambda d: (d not in first, len(d), d))):
            total += len(data)
            if total > MOST_BYTES:
                break
            z.writestr(zipfile.ZipInfo("%04d" % i), data, zipfile.ZIP_DEFLATED)


def replay(program, target):
    with tempfile.TemporaryDirectory() as folder:
        unpack(target, folder)
        done = subprocess.run([program, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        print(done.stdout.decode(), end="")
        if done.returncode:
            print(done.stderr.decode(errors="replace")[-6000:])
        return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit({"unpack": unpack, "pack": pack, "replay": replay}[sys.argv[1]](*sys.argv[2:]) or 0)
