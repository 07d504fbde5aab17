#!/usr/bin/env python3
"""The same experiment written as a plain PyTorch script: what our times are compared with.

Prints one JSON object of medians in milliseconds: an update of a 784-256-256-10 network with minibatches of 256, in the
variants that the table needs, and the measurements that a user would write by hand. One thread. Nothing but PyTorch is
needed; `benches/side_by_side.py` calls this script.
"""

import json
import statistics
import sys
import time

try:
    import torch
except ImportError as problem:
    sys.exit(f"error: {sys.executable} has no usable PyTorch: {problem}")

WIDTHS = (784, 256, 256, 10)
BATCH = 256
CLASSES = WIDTHS[-1]
PENALTY = 1e-3
POWER_ITERATIONS = 100
RANK_SAMPLES = 100
SCALE = 60_000


def network(widths=WIDTHS):
    """Linear layers with ReLU between them, He-uniform weights, zero biases."""
    parts = []
    for inputs, outputs in zip(widths, widths[1:]):
        layer = torch.nn.Linear(inputs, outputs)
        torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
        parts += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def median_ms(calls, work, warm_up=0):
    times = []
    for call in range(warm_up + calls):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[warm_up:])


def flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class Peer:
    def __init__(self):
        self.images = torch.rand(BATCH, WIDTHS[0])
        self.labels = torch.randint(CLASSES, (BATCH,))
        self.loss = torch.nn.functional.cross_entropy

    def step(self, penalty=None, fused=False):
        """A function that makes one update; `penalty` builds a term of the loss from the fresh network."""
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
        term = penalty(model) if penalty else None

        def update():
            optimizer.zero_grad()
            loss = self.loss(model(self.images), self.labels)
            if term is not None:
                loss = loss + PENALTY * term()
            loss.backward()
            optimizer.step()

        return update

    def step_of_one(self, optimizer):
        """A function that makes one update with a minibatch of one image, in the network of the online protocols."""
        model = network((784, 300, 150, 10))
        optimizer = optimizer(model.parameters())
        image, label = self.images[:1], self.labels[:1]

        def update():
            optimizer.zero_grad()
            self.loss(model(image), label).backward()
            optimizer.step()

        return update

    def steps_at_scale(self):
        """The median of an update out of 60,000 images, and an epoch of them in a random order."""
        model, images = network(), torch.rand(SCALE, WIDTHS[0])
        labels = torch.randint(CLASSES, (SCALE,))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        times = []
        for epoch in range(2):
            for rows in torch.randperm(SCALE).split(BATCH):
                start = time.perf_counter()
                optimizer.zero_grad()
                self.loss(model(images[rows]), labels[rows]).backward()
                optimizer.step()
                times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times), sum(times) / 2

    def noise(self, model):
        """Per-sample gradient variance, a backward pass for each sample."""
        parameters = list(model.parameters())
        losses = self.loss(model(self.images), self.labels, reduction="none")
        gradients = [flat(torch.autograd.grad(loss, parameters, retain_graph=True)) for loss in losses]
        matrix = torch.stack(gradients)
        return (matrix - matrix.mean(0)).square().sum(1).mean().item()

    def sharpness(self, model, parameters):
        """Largest eigenvalue of the Hessian over some parameters by power iteration, differentiating twice."""
        loss = self.loss(model(self.images), self.labels)
        gradient = flat(torch.autograd.grad(loss, parameters, create_graph=True))
        vector = torch.randn_like(gradient)
        value = None
        for _ in range(POWER_ITERATIONS):
            vector = vector / vector.norm()
            product = flat(torch.autograd.grad(gradient @ vector, parameters, retain_graph=True))
            value, vector = vector @ product, product
        return value.item()

    def sharpness_of_layers(self, model):
        return [self.sharpness(model, list(layer.parameters())) for layer in model if hasattr(layer, "weight")]

    def rank(self, model):
        """How many singular values of the Gram matrix of per-sample gradients make up 99 % of their sum."""
        parameters = list(model.parameters())
        gradients = []
        for index in range(RANK_SAMPLES):
            one = slice(index, index + 1)
            loss = self.loss(model(self.images[one]), self.labels[one])
            gradients.append(flat(torch.autograd.grad(loss, parameters)))
        matrix = torch.stack(gradients)
        values = torch.linalg.svdvals(matrix @ matrix.T)
        reached = values.cumsum(0) >= 0.99 * values.sum()
        return int(reached.nonzero()[0]) + 1


def wasserstein(model):
    """Squared distance of each tensor's sorted values from its sorted initial values."""
    initial = [parameter.detach().reshape(-1).sort().values for parameter in model.parameters()]

    def term():
        pairs = zip(model.parameters(), initial)
        return sum((parameter.reshape(-1).sort().values - start).square().sum() for parameter, start in pairs)

    return term


def spectral(model):
    """(sigma^2 - 1)^2 of each weight, its largest singular value sigma from one power step an update."""
    weights = [layer.weight for layer in model if hasattr(layer, "weight")]
    vectors = [torch.randn(weight.shape[1]) for weight in weights]

    def term():
        total = 0.0
        for index, weight in enumerate(weights):
            with torch.no_grad():
                vector = weight.T @ (weight @ vectors[index])
                vectors[index] = vector / vector.norm()
            total = total + ((weight @ vectors[index]).square().sum() - 1).square()
        return total

    return term


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    peer, model = Peer(), network()
    step_at_scale, epoch_at_scale = peer.steps_at_scale()
    result = {
        "torch": torch.__version__,
        "step_adam_fused": median_ms(400, peer.step(fused=True), 50),
        "step_adam": median_ms(400, peer.step(), 50),
        "step_wasserstein": median_ms(60, peer.step(wasserstein), 10),
        "step_spectral": median_ms(200, peer.step(spectral), 20),
        "step_of_one_sgd": median_ms(2000, peer.step_of_one(lambda p: torch.optim.SGD(p, lr=0.01)), 100),
        "step_of_one_adam": median_ms(2000, peer.step_of_one(lambda p: torch.optim.Adam(p, fused=True)), 100),
        "step_of_60000": step_at_scale,
        "epoch_of_60000": epoch_at_scale,
        "noise_loop": median_ms(2, lambda: peer.noise(model)),
        f"sharpness_layers_{POWER_ITERATIONS}": median_ms(3, lambda: peer.sharpness_of_layers(model)),
        f"sharpness_network_{POWER_ITERATIONS}": median_ms(3, lambda: peer.sharpness(model, list(model.parameters()))),
        f"fisher_rank_{RANK_SAMPLES}": median_ms(5, lambda: peer.rank(model), 1),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
