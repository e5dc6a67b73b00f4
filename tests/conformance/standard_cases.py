"""Writes the ONNX standard's own node cases and runs the conformance program on them, on each backend.

    standard_cases.py --program onnx_conformance --must must_pass.txt BACKEND...

Exit 77 without Python's onnx package.
"""
import argparse
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--must", required=True)
    parser.add_argument("backends", nargs="+")
    options = parser.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError:
        print("python3-onnx is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        write_cases(folder)
        status = 0
        for backend in options.backends:
            code = subprocess.call([options.program, "--backend", backend, "--must", options.must, "--quiet", folder + "/node"])
            status |= 0 if code == 77 else code
        return status


if __name__ == "__main__":
    sys.exit(main())
