#!/usr/bin/env python3
"""Trains an exported run again, in plain PyTorch, and compares the loss of every update with the program's own.

    trainability export-run configs/smoke.json --run relu/constant/seed-0 --out relu
    python3 scripts/replicate.py relu

Exit code 1 where two losses are further apart than 1e-4 (f32) or 1e-9 (f64). In single precision this is asked of networks and
minibatches that are not large: Adam's step goes by a gradient's sign where the gradient is no more than rounding, so that with
256 units a layer PyTorch parts from itself by 1e-2 within 200 updates if a minibatch's images come in another order. Needs
PyTorch 1.13 or later, and nothing else.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

TOLERANCE = {"f32": 1e-4, "f64": 1e-9}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="what `trainability export-run` wrote")
    parser.add_argument("--quiet", action="store_true", help="print one line a run")
    arguments = parser.parse_args()
    agree = [compare(folder, arguments.quiet) for folder in arguments.folders]
    sys.exit(not all(agree))


def compare(folder, quiet):
    """Prints the losses side by side, and tells whether they agree."""
    settings = json.loads((folder / "export.json").read_text())
    if settings["format"] != 1:
        sys.exit(f"{folder}/export.json has the format {settings['format']}, expected 1")
    with open(folder / "losses.csv", newline="") as table:
        ours = [float(row["loss"]) for row in csv.DictReader(table)]
    tolerance, worst = TOLERANCE[settings["precision"]], (0.0, 0)
    if not quiet:
        print(f"{'update':>6} {'trainability':>20} {'PyTorch':>20} {'apart':>8}")
    for update, (own, other) in enumerate(zip(ours, train(folder, settings), strict=True), 1):
        # What is not a number is as far apart as can be.
        apart = abs(own - other) if own == own and other == other else float("inf")
        worst = max(worst, (apart, update))
        if not quiet:
            print(f"{update:6} {own:20.15f} {other:20.15f} {apart:8.1e}")
    agree = worst[0] <= tolerance
    print(f"{settings['run']} in {settings['precision']}: {len(ours)} losses {'agree' if agree else 'DISAGREE'}, at most "
          f"{worst[0]:.1e} apart, at update {worst[1]} ({tolerance:.0e} is allowed)")
    return agree


def load(path):
    """The tensors of a safetensors file, as `safetensors.torch.load_file` reads them."""
    import torch
    data = bytearray(path.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    types = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, of in json.loads(data[8:begin]).items():
        first, end = (begin + offset for offset in of["data_offsets"])
        tensors[name] = torch.frombuffer(data[first:end], dtype=types[of["dtype"]]).reshape(of["shape"])
    return tensors


def train(folder, settings):
    """The mean cross-entropy of each minibatch before its update."""
    import torch
    torch.set_num_threads(1)
    initial, stream = load(folder / "initial.safetensors"), load(folder / "stream.safetensors")
    theta = {name: value.clone().requires_grad_() for name, value in initial.items()}
    forward, penalty = network(settings["network"], theta), penalties(settings["parts"], theta, initial)
    optimizer = optimizer_of(settings, theta)
    batches = stream["minibatches"].split(stream["sizes"].tolist())
    task_before = 0
    for batch, task, rates in zip(batches, stream["tasks"].tolist(), stream["learning_rates"].tolist()):
        if task != task_before and settings["announce_boundaries"]:
            optimizer = optimizer_of(settings, theta)
        task_before = task
        images = stream["images"][batch]
        if "pixels" in stream:
            images = images[:, stream["pixels"][task]]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        loss = torch.nn.functional.cross_entropy(forward(images), stream["labels"][task][batch])
        optimizer.zero_grad()
        (loss + penalty()).backward()
        optimizer.step()
        yield loss.item()


def refuse(what, found, expected):
    sys.exit(f"this script cannot follow {what} {found}, expected {expected}")


def network(settings, theta):
    """The logits of a batch, as a function."""
    import torch
    from torch.nn import functional as F
    if settings["kind"] not in ("mlp", "convolutional"):
        refuse("the kind of network", settings["kind"], "mlp or convolutional")
    if settings.get("filters") or settings.get("stride"):
        refuse("the filters", "other than 3 x 3 with stride 2", "those")
    activation = settings["activation"]
    known = {
        "relu": F.relu,
        "crelu": lambda z: torch.cat([F.relu(z), F.relu(-z)], 1),
        "leaky_relu": lambda z: F.leaky_relu(z, activation["options"]["slope"]),
        "deep_fourier": lambda z: torch.cat([torch.sin(z), torch.cos(z)], 1),
        "tanh": torch.tanh,
        "identity": lambda z: z,
    }
    if activation["name"] not in known:
        refuse("the activation", activation["name"], "one of " + ", ".join(known))
    act, names = known[activation["name"]], settings["layers"]

    def forward(x):
        x = x if settings["kind"] == "mlp" else x.reshape(-1, *settings["image"])
        for name in names:
            weight, bias = theta[f"{name}.weight"], theta[f"{name}.bias"]
            x = F.conv2d(x, weight, bias, stride=2, padding=1) if weight.dim() == 4 else F.linear(x.flatten(1), weight, bias)
            x = x if name == names[-1] else act(x)
        return x
    return forward


# What the optimizer does itself, in PyTorch as here.
DECAYS = ("l2_adam", "adamw")


def penalties(parts, theta, initial):
    """The sum of what a method adds to the loss, as a function."""
    terms = {
        "l2_loss": lambda now, first: now.square().sum(),
        "l2_init": lambda now, first: (now - first).square().sum(),
        "wasserstein": lambda now, first: (now.flatten().sort()[0] - first.flatten().sort()[0]).square().sum(),
    }
    for part in parts:
        if part["name"] not in (*terms, *DECAYS):
            refuse("the part", part["name"], "one of " + ", ".join([*terms, *DECAYS]))
    own = [(part["options"]["coefficient"], terms[part["name"]]) for part in parts if part["name"] in terms]
    return lambda: sum(factor * term(now, initial[name]) for factor, term in own for name, now in theta.items())


def optimizer_of(settings, theta):
    """PyTorch's own optimizer, with a group of parameters for each layer."""
    import torch
    own, parts = settings["optimizer"], {part["name"]: part["options"] for part in settings["parts"]}
    groups = [{"params": [theta[f"{name}.{role}"] for role in ("weight", "bias")]} for name in settings["network"]["layers"]]
    decay = {"weight_decay": parts[name]["coefficient"] for name in DECAYS if name in parts}
    if own["name"] == "adam" and "beta_ramp" not in own:
        kind = torch.optim.AdamW if "adamw" in parts else torch.optim.Adam
        return kind(groups, betas=(own["beta1"], own["beta2"]), eps=own["epsilon"], **{"weight_decay": 0.0, **decay})
    if own["name"] == "sgd" and "adamw" not in parts:
        return torch.optim.SGD(groups, lr=1.0, momentum=own["momentum"], nesterov=own["nesterov"], **decay)
    refuse("the optimizer", json.dumps(own), "adam without a ramp of its decays, or sgd without adamw")


if __name__ == "__main__":
    main()
