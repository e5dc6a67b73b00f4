"""Real networks against logits that another program computed from the same pictures.

    real_networks.py --program onnx_conformance [--backend ref,...] NETWORK...

Reads $WHYNOT_ASSETS/models/NETWORK.onnx, golden/NETWORK_input_first2.npy and golden/NETWORK_images_logits.npy; exit 77 without them.
Nothing but Python is needed.
"""
import argparse
import ast
import os
import struct
import subprocess
import sys
import tempfile


def read_npy(path):
    """Shape and bytes of a little-endian float32 array."""
    with open(path, "rb") as file:
        data = file.read()
    width = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8:8 + width], "little")
    header = ast.literal_eval(data[8 + width:8 + width + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"], path
    return header["shape"], data[8 + width + length:]


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def write_tensor(path, shape, raw):
    """A TensorProto: dims (1), data_type (2) float, raw_data (9)."""
    with open(path, "wb") as file:
        for dim in shape:
            file.write(b"\x08" + varint(dim))
        file.write(b"\x10\x01" + b"\x4a" + varint(len(raw)) + raw)


def write_case(assets, name, folder):
    os.makedirs(folder + "/test_data_set_0")
    os.symlink(f"{assets}/models/{name}.onnx", folder + "/model.onnx")
    shape, raw = read_npy(f"{assets}/golden/{name}_input_first2.npy")
    write_tensor(folder + "/test_data_set_0/input_0.pb", shape, raw)
    (_, classes), raw = read_npy(f"{assets}/golden/{name}_images_logits.npy")
    write_tensor(folder + "/test_data_set_0/output_0.pb", (shape[0], classes), raw[:struct.calcsize("f") * shape[0] * classes])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--backend", default="ref")
    parser.add_argument("networks", nargs="+")
    options = parser.parse_args()
    assets = os.environ.get("WHYNOT_ASSETS", "")
    if not os.path.exists(f"{assets}/golden/{options.networks[0]}_input_first2.npy"):
        print("skipped: WHYNOT_ASSETS does not name a folder with these networks")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            write_case(os.path.abspath(assets), name, f"{folder}/{name}")
        with open(folder + "/must.txt", "w") as file:
            file.write("\n".join(options.networks) + "\n")
        status = 0
        for backend in options.backend.split(","):
            code = subprocess.call([options.program, "--backend", backend, "--picture", "--must", folder + "/must.txt", folder])
            status |= 0 if code == 77 else code
        return status


if __name__ == "__main__":
    sys.exit(main())
