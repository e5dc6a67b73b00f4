"""Writes the ONNX standard's own node cases and runs the conformance program on them, on each backend.

    standard_cases.py --program onnx_conformance --must must_pass.txt --operators ops.def --docs operators.md BACKEND...

A case whose operators are all supported passes, or the documentation says why not. Exit 77 without Python's onnx package.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

# Cases whose numbers a later onnx gives otherwise, as they are here: 1.17's were corrected.
CORRECTED = {"test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True"}


def write_cases(folder):
    """Each case as FOLDER/node/NAME/model.onnx and test_data_set_I/{input,output}_J.pb. Sequences are left out of the data: a model that has some is
    refused before. No model is left out.
    onnx 1.12 still speaks of numpy's old names for Python's own types."""
    import numpy
    for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object)):
        if name not in numpy.__dict__:
            setattr(numpy, name, kind)
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.case.node import collect_testcases

    def write(path, value, info):
        data = value if hasattr(value, "SerializeToString") else numpy_helper.from_array(numpy.asarray(value), info.name)
        with open(path, "wb") as file:
            file.write(data.SerializeToString())

    for case in collect_testcases(None):
        if case.name in CORRECTED and "1.17." in onnx.__version__:
            continue
        for i, (inputs, outputs) in enumerate(case.data_sets):
            data = f"{folder}/node/{case.name}/test_data_set_{i}"
            os.makedirs(data, exist_ok=True)  # one name is there twice
            for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
                for k, value in enumerate(values):
                    if infos[k].type.HasField("tensor_type"):
                        write(f"{data}/{kind}_{k}.pb", value, infos[k])
        with open(f"{folder}/node/{case.name}/model.onnx", "wb") as file:
            file.write(case.model.SerializeToString())


def undocumented(output, folder, options):
    """Refused cases of supported operators that the documentation does not name, which was written for the cases of onnx 1.12: later ones have
    numbers of 4 and 8 bits and other types besides."""
    import onnx
    if not onnx.__version__.startswith("1.12."):
        print(f"docs/operators.md is judged by the cases of onnx 1.12; these are of {onnx.__version__}")
        return []
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
    assert re.search(r": [1-9]\d\d+ cases: ", lines[-1]), lines[-1:]
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
