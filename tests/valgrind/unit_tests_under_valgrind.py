#!/usr/bin/env python3
"""Runs the unit tests that are plain programs under valgrind's memcheck: unit_tests_under_valgrind.py BUILD_FOLDER"""
import json
import re
import shutil
import subprocess
import sys

# Left out: what drives other programs or confines children that end at once, what counts its own allocations, and searches that would take minutes here.
WANTED = re.compile(r"contrasts|onnx_(read|hostile(_graph)?|layers|weights)|ops_(values|lower)|prims_(hand|contract|builder)|"
                    r"grad_(pooled|optimize)|media_(decode|preprocess|render|encode)|stack.*unit|server_.*")
VALGRIND = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,possible"]


def main():
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return 77
    listing = subprocess.run(["ctest", "--test-dir", sys.argv[1], "--show-only=json-v1"], capture_output=True, check=True).stdout
    failed = ran = 0
    for test in json.loads(listing)["tests"]:
        if not WANTED.fullmatch(test["name"]) or test["command"][0].endswith(("python3", ".py", "bash")):
            continue
        folder = next((p["value"] for p in test.get("properties", []) if p["name"] == "WORKING_DIRECTORY"), None)
        result = subprocess.run(VALGRIND + test["command"], cwd=folder, capture_output=True, text=True)
        ran += 1
        if result.returncode not in (0, 77):
            failed += 1
            print("FAILED %s (exit %d)\n%s" % (test["name"], result.returncode, (result.stdout + result.stderr)[-3000:]))
    print("%d unit tests under valgrind, %d failed" % (ran, failed))
    return 1 if failed or ran < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
