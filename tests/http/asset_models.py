"""Makes model folders of the networks in WHYNOT_ASSETS. Also a script: asset_models.py ASSETS FOLDER [NAME...]"""
import json
import os
import shutil
import sys

NAMES = ["resnet18", "resnet50", "squeezenet10", "mobilenetv2_inat_birds", "cifar_resnet20", "cifar_resnet20_slicepad", "gtsrb_cnn"]


def labels_of(assets, name):
    """A list of names, or an object from index to name (or to a list that ends with it)."""
    with open(os.path.join(assets, "labels", name)) as f:
        data = json.load(f)
    rows = data if isinstance(data, list) else [data[k] for k in sorted(data, key=int)]
    return [str(row[-1] if isinstance(row, list) else row).replace("\n", " ") for row in rows]


def input_of(p):
    """The preprocessing in the words of a manifest."""
    out = {"channels": p["channel_order"], "scale": p["pixel_scale"], "mean": p["mean"], "std": p["std"]}
    if p.get("resize_exact"):
        out.update(resize="squash", size=p["resize_exact"])
    elif p.get("resize_short_side"):
        out.update(resize="short-side", short_side=p["resize_short_side"])
    else:
        out.update(resize="none", size=p["input_size"])
    if p.get("crop"):
        out["crop"] = [p["crop"], p["crop"]]
    return out


def write(assets, folder, names=NAMES):
    for name in names:
        with open(os.path.join(assets, "models", name + ".json")) as f:
            about = json.load(f)
        path = os.path.join(folder, name)
        os.makedirs(path, exist_ok=True)
        shutil.copyfile(os.path.join(assets, "models", about["file"]), os.path.join(path, "model.onnx"))
        with open(os.path.join(path, "labels.txt"), "w") as f:
            f.write("".join(label + "\n" for label in labels_of(assets, about["labels"])))
        with open(os.path.join(path, "manifest.json"), "w") as f:
            json.dump({"name": name, "version": "1", "description": about["notes"][:200], "input": input_of(about["preprocessing"])}, f)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], sys.argv[3:] or NAMES)
