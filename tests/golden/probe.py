"""Writes the golden data of the `probe` tests: a small network, its batch and its Adam state as PyTorch has them, and
every statistic of it in f64 by the most obvious computation. Run as `python probe.py` beside the files; PyTorch 2.13.0
made those that are kept.
"""

import json
import math
import struct
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent
LEARNING_RATE = 1e-3
PENALTY = 0.01


def save(path, tensors):
    """The safetensors format: length of the header, header, data."""
    kinds = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).tolist())
        header[name] = {
            "dtype": kinds[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(8, 12), nn.Linear(12, 6), nn.Linear(6, 5)

    def trace(self, x):
        """Input and pre-activation of each layer."""
        first = self.fc1(x)
        second = self.fc2(first.relu())
        return [(x, first), (first.relu(), second), (second.relu(), self.fc3(second.relu()))]

    def forward(self, x):
        return self.trace(x)[-1][1]


def flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def dense_hessian(loss, parameters):
    gradient = flat(torch.autograd.grad(loss, parameters, create_graph=True))
    rows = [flat(torch.autograd.grad(entry, parameters, retain_graph=True, materialize_grads=True)) for entry in gradient]
    return torch.stack(rows).detach()


def entropy(share):
    return -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)


def hidden_statistics(pre_activation):
    activation = pre_activation.relu()
    values = torch.linalg.svdvals(activation)
    shares = (values / values.sum()).tolist()
    reached = next(k for k in range(1, len(shares) + 1) if sum(shares[:k]) >= 0.99)
    on = (pre_activation > 0).double().mean(0).tolist()
    return {
        "unit_sign_entropy": sum(map(entropy, on)) / len(on),
        "dead_units": (activation <= 0).all(0).double().mean().item(),
        "effective_rank": math.exp(-sum(p * math.log(p) for p in shares if p > 0)),
        "stable_rank": float(reached),
    }


def confidence(square, variance, samples):
    return math.sqrt(square) * square / (square + variance / samples)


def fisher_rank(gradients):
    values = torch.linalg.svdvals(gradients @ gradients.T)
    sums = values.cumsum(0) / values.sum()
    return ((sums < 0.99).sum().item() + 1) / len(gradients)


def statistics(net, images, labels, state, penalty=0.0):
    layers = {name: list(module.parameters()) for name, module in net.named_children()}
    parameters = [p for layer in layers.values() for p in layer]
    samples = len(images)

    def cross_entropy(i=slice(None)):
        return nn.functional.cross_entropy(net(images[i]), labels[i])

    def total():
        return cross_entropy() + penalty * sum((p**2).sum() for p in parameters)

    trace = [(a.detach(), z.detach()) for a, z in net.trace(images)]
    per_sample = [torch.autograd.grad(cross_entropy(slice(i, i + 1)), parameters) for i in range(samples)]
    gradients = dict(zip(parameters, torch.autograd.grad(total(), parameters)))
    found = {"layers": {}, "network": {}}
    for index, (name, layer) in enumerate(layers.items()):
        places = [next(k for k, p in enumerate(parameters) if p is q) for q in layer]
        own = torch.stack([flat([sample[k] for k in places]) for sample in per_sample])
        square = flat([gradients[p] for p in layer]).square().sum().item()
        variance = (own - own.mean(0)).square().sum(1).mean().item()
        values = torch.linalg.eigvalsh(dense_hessian(total(), layer))
        v = state[f"{name}.weight.exp_avg_sq"].double()
        step = state["step"].item()
        rms = math.sqrt(v.mean().item() / (1 - 0.999**step)) + 1e-8
        alpha = LEARNING_RATE / ((1 - 0.9**step) * rms)
        weights = flat(layer)
        found["layers"][name] = {
            "learning_rate": LEARNING_RATE,
            "effective_step": alpha,
            "gradient_sq_norm": square,
            "noise_variance": variance,
            "sharpness": values[-1].item(),
            "sharpness_min": values[0].item(),
            "normalized_sharpness": values[-1].item() * LEARNING_RATE / rms,
            "noise_bound": samples * square / variance,
            "noise_bound_debiased": samples * max(square - variance / (samples - 1), 0) / variance,
            "weight_norm": weights.abs().mean().item(),
            "weight_norm_l2": weights.norm().item(),
            "gradient_norm": math.sqrt(square),
            "gradient_confidence": confidence(square, variance, samples),
            "hessian_rank": fisher_rank(own[:100]),
        }
        if index + 1 < len(layers):
            found["layers"][name] |= hidden_statistics(trace[index][1])
    tables = list(found["layers"].values())
    square = sum(t["gradient_sq_norm"] for t in tables)
    variance = sum(t["noise_variance"] for t in tables)
    weights = flat(parameters)
    hessian = torch.linalg.eigvalsh(dense_hessian(total(), parameters))
    network = found["network"]
    network["final_accuracy"] = (net(images).argmax(1) == labels).double().mean().item()
    network["final_loss"] = cross_entropy().item()
    network["hessian_rank"] = fisher_rank(torch.stack([flat(sample) for sample in per_sample[:100]]))
    network["sharpness"] = hessian[-1].item()
    network["weight_norm"] = weights.abs().mean().item()
    network["weight_norm_l2"] = weights.norm().item()
    network["gradient_norm"] = math.sqrt(square)
    network["gradient_confidence"] = confidence(square, variance, samples)
    for key in ("unit_sign_entropy", "dead_units", "effective_rank", "stable_rank"):
        network[key] = sum(t[key] for t in tables[:-1]) / (len(tables) - 1)
    network["effective_step"] = max(t["effective_step"] for t in tables)
    for key in ("noise_bound", "noise_bound_debiased"):
        network[key] = min(t[key] for t in tables)
        network[f"step_over_{key}"] = max(t["effective_step"] / t[key] for t in tables)
    network["spectral_count"] = (hessian.abs() > 0.01 * hessian.abs().max()).sum().item()
    network["parameters"] = len(weights)
    # The size of the update that PyTorch's own Adam makes of it.
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    for name, parameter in net.named_parameters():
        optimizer.state[parameter] = {
            "step": state["step"].double(),
            "exp_avg": state[f"{name}.exp_avg"].double().clone(),
            "exp_avg_sq": state[f"{name}.exp_avg_sq"].double().clone(),
        }
    before = weights.detach().clone()
    for parameter in parameters:
        parameter.grad = gradients[parameter]
    optimizer.step()
    network["update_norm"] = (flat(parameters) - before).abs().mean().item()
    network["update_to_weight"] = network["update_norm"] / before.abs().mean().item()
    with torch.no_grad():
        offset = 0
        for parameter in parameters:
            parameter.copy_(before[offset : offset + parameter.numel()].view_as(parameter))
            offset += parameter.numel()
    return found


def main():
    torch.set_num_threads(1)
    torch.manual_seed(4)
    net = Net().double()
    images = torch.randn(30, 8).double()
    labels = (images @ torch.randn(8, 5).double()).argmax(1)
    with torch.no_grad():
        net.fc1.bias[2] = -30.0  # a dead unit
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(7):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    state = {"step": torch.tensor(7, dtype=torch.float32)}
    for name, parameter in net.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            state[f"{name}.{moment}"] = optimizer.state[parameter][moment]
    # Everything is rounded to f32 first, so that files of either type hold the same numbers.
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter.float().double())
    images = images.float().double()
    state = {name: tensor.float() for name, tensor in state.items()}
    save(HERE / "net.safetensors", {name: p.float() for name, p in net.named_parameters()})
    save(HERE / "batch.safetensors", {"images": images.float(), "labels": labels})
    save(HERE / "state.safetensors", state)
    values = {
        "torch": torch.__version__,
        "plain": statistics(net, images, labels, state),
        "l2_loss": statistics(net, images, labels, state, PENALTY),
    }
    (HERE / "probe.json").write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
