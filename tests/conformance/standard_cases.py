"""Writes the ONNX standard's own node cases and runs the conformance program on them, on each backend.

    standard_cases.py --program onnx_conformance --must must_pass.txt --operators ops.def --docs operators.md BACKEND...

A case whose operators are all supported passes, or the documentation says why not. Exit 77 without Python's onnx package.
"""
import argparse
import re
import subprocess
import sys
import tempfile


def write_cases(folder):
    """onnx 1.12 still speaks of numpy's old names for Python's own types."""
    import numpy
    for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object)):
        if name not in numpy.__dict__:
            setattr(numpy, name, kind)
    from onnx.backend.test import cmd_tools
    sys.argv = ["cmd_tools", "generate-data", "-o", folder]
    cmd_tools.main()


def undocumented(output, folder, options):
    """Refused cases of supported operators that the documentation does not name."""
    import onnx
    with open(options.operators) as file:
        known = set(re.findall(r"^X\((\w+),", file.read(), re.M)) | {"Constant"}
    with open(options.docs) as file:
        named = set(re.findall(r"test_\w+", file.read()))
    refused = re.findall(r"^unsupported (test_\w+)", output, re.M)
    operators = {name: {node.op_type for node in onnx.load(f"{folder}/node/{name}/model.onnx").graph.node} for name in refused}
    return [name for name in refused if operators[name] <= known and name not in named]


def run(backend, folder, options):
    done = subprocess.run([options.program, "--backend", backend, "--must", options.must, folder + "/node"], text=True,
                          stdout=subprocess.PIPE)
    if done.returncode == 77:
        return 0
    lines = done.stdout.splitlines()
    print("\n".join(line for line in lines if line.startswith("FAIL") or "(has to pass)" in line or line is lines[-1]))
    missing = undocumented(done.stdout, folder, options)
    for name in missing:
        print(f"{name} is refused and docs/operators.md does not say why")
    return done.returncode or len(missing)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--must", required=True)
    parser.add_argument("--operators", required=True)
    parser.add_argument("--docs", required=True)
    parser.add_argument("backends", nargs="+")
    options = parser.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError:
        print("python3-onnx is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        write_cases(folder)
        return 1 if sum(run(backend, folder, options) for backend in options.backends) else 0


if __name__ == "__main__":
    sys.exit(main())
