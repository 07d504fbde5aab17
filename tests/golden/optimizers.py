"""Writes optimizers.json: parameters, and each layer's effective step, after 1, 10 and 100 steps of torch.optim's optimizers in f64 on
the sum over all parameters of (theta - c_i)^2 / 2 + sin(3 theta) / 4, with Newton-Schulz steps in f64 too.

    python3 tests/golden/optimizers.py        # PyTorch 2.15.0
"""

import json
import math
from pathlib import Path

import torch
from torch.optim import _muon as torch_muon

SHAPES = {"fc1": (2, 3), "conv2": (2, 1, 3, 3), "fc3": (4, 2), "fc4": (2, 4)}
NAMES = {"alpha": "alpha", "centered": "centered", "momentum": "momentum", "nesterov": "nesterov", "scale": "adjust_lr_fn"}


def zeropower(matrix, coefficients, steps, eps):
    a, b, c = coefficients
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / max(x.norm().item(), eps)
    for _ in range(steps):
        x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def builder(name, options, decay, rate):
    """What makes the optimizer of one tensor, given whether it is a hidden matrix."""
    own = {NAMES[key]: value for key, value in options.items() if key in NAMES}
    kind, coefficient = decay
    if name == "sgd":
        own.setdefault("momentum", 0.9)
    if name == "muon":
        betas, ratio = (options.get("beta1", 0.9), options.get("beta2", 0.95)), options.get("adamw_ratio", 0.015)
        adamw = lambda p: torch.optim.AdamW([p], lr=rate * ratio, betas=betas, eps=1e-10, weight_decay=coefficient)
        muon = lambda p: torch.optim.Muon([p], lr=rate, weight_decay=coefficient, **own)
        return lambda p, is_matrix: (muon if is_matrix else adamw)(p)
    if name in ("adam", "adamw"):
        own["betas"] = (options.get("beta1", 0.9), options.get("beta2", 0.999))
        kind, coefficient = ("decoupled", options.get("decay", 0.01)) if name == "adamw" else decay
    classes = {"sgd": "SGD", "adam": "AdamW" if kind == "decoupled" else "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
    return lambda p, _: getattr(torch.optim, classes[name])([p], lr=rate, weight_decay=coefficient, **own)


def effective_step(optimizer, weight, t):
    """From what torch remembers, by the definition."""
    group, state = optimizer.param_groups[0], optimizer.state[weight]
    rate, m = group["lr"], group.get("momentum", 0.0)
    if isinstance(optimizer, torch.optim.Muon):
        o, averaged = weight.norms
        return torch_muon._adjust_lr(rate, group["adjust_lr_fn"], weight.shape) * o / averaged
    if isinstance(optimizer, torch.optim.SGD):
        return sum(rate * m**k for k in range(t + group["nesterov"]))
    if isinstance(optimizer, torch.optim.RMSprop):
        v = state["square_avg"] - (state["grad_avg"] ** 2 if group["centered"] else 0.0)
        return sum(rate * m**k for k in range(t)) / (v.mean().sqrt().item() + group["eps"])
    beta1, beta2 = group["betas"]
    return rate / (1 - beta1**t) / ((state["exp_avg_sq"].mean() / (1 - beta2**t)).sqrt().item() + group["eps"])


def rows(name, options, decay, rate):
    build, tensors, rows = builder(name, options, decay, rate), [], []
    for place, (layer, shape) in enumerate(SHAPES.items()):
        by_muon = name == "muon" and (0 < place or options.get("first_layer") == "muon") and place < 3
        for sizes, is_matrix in [((shape[0], math.prod(shape[1:])), by_muon), ((shape[0],), False)]:
            first = sum(t.numel() for t, *_ in tensors)
            index = torch.arange(first + 1, first + 1 + math.prod(sizes)).reshape(sizes)
            theta = torch.nn.Parameter(torch.sin(index.double() ** 2))
            tensors.append((theta, torch.cos(2.0 * index), build(theta, is_matrix)))
    for t in range(1, 101):
        for theta, centre, optimizer in tensors:
            theta.grad = (theta - centre + 0.75 * torch.cos(3.0 * theta)).detach()

            def recording(matrix, *arguments, of=theta):
                o = zeropower(matrix, *arguments)
                of.norms = o.norm().item(), matrix.norm().item()
                return o

            torch_muon._zeropower_via_newtonschulz = recording
            optimizer.step()
        if t in (1, 10, 100):
            steps = [effective_step(optimizer, theta, t) for theta, _, optimizer in tensors[::2]]
            rows.append({"step": t, "effective_step": steps, "parameters": [x for t, *_ in tensors for x in t.flatten().tolist()]})
    return rows


def main():
    torch.set_default_dtype(torch.float64)
    original = torch_muon._zeropower_via_newtonschulz
    matrix, rest = torch.sin(torch.arange(1.0, 16.0) ** 2).reshape(3, 5), ((3.4445, -4.775, 2.0315), 5, 1e-7)
    assert (original(matrix, *rest) - zeropower(matrix, *rest)).abs().max() < 0.03, "torch's own, in bfloat16"
    none, coupled, decoupled = ("none", 0.0), ("coupled", 0.05), ("decoupled", 0.05)
    lines = [
        ("sgd", {"momentum": 0.0}, none, 0.01),
        ("sgd", {}, coupled, 0.01),
        ("sgd", {"nesterov": True}, none, 0.01),
        ("adam", {}, none, 0.01),
        ("adam", {"beta1": 0.8, "beta2": 0.99}, coupled, 0.01),
        ("adam", {}, decoupled, 0.01),
        ("adamw", {}, none, 0.01),
        ("adamw", {"beta2": 0.95, "decay": 0.2}, none, 0.01),
        ("rmsprop", {}, none, 0.01),
        ("rmsprop", {"momentum": 0.9}, coupled, 0.002),
        ("rmsprop", {"centered": True}, none, 0.01),
        ("rmsprop", {"alpha": 0.9, "centered": True, "momentum": 0.5}, none, 0.005),
        ("muon", {}, none, 0.02),
        ("muon", {"scale": "match_rms_adamw", "nesterov": False, "momentum": 0.8, "adamw_ratio": 0.5}, none, 0.01),
        ("muon", {"first_layer": "muon", "beta2": 0.99}, decoupled, 0.02),
    ]
    keys = ("optimizer", "options", "weight_decay", "learning_rate")
    written = [json.dumps({**dict(zip(keys, line)), "rows": rows(*line)}) for line in lines]
    Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(written) + "\n]\n")


if __name__ == "__main__":
    main()
