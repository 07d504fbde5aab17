"""Writes beta_ramp.json: torch.optim.Adam whose betas change on the first layer, linearly in the epoch, back at the next task.

    python3 tests/golden/beta_ramp.py        # PyTorch 2.13.0
"""

import json
from pathlib import Path

import torch

TASKS, EPOCHS, UPDATES, RATE, EPSILON = 3, 4, 3, 0.01, 1e-8

torch.set_default_dtype(torch.float64)
weights = [torch.tensor([[0.3, -0.2], [0.1, 0.4]]), torch.tensor([[0.5, -0.1]])]
weights = [torch.nn.Parameter(weight) for weight in weights]
adam = torch.optim.Adam([{"params": [weight]} for weight in weights], lr=RATE, betas=(0.9, 0.999), eps=EPSILON)
rows = []
for step in range(TASKS * EPOCHS * UPDATES):
    share = step // UPDATES % EPOCHS / EPOCHS
    adam.param_groups[0]["betas"] = (0.9 + share * (0.945 - 0.9), 0.999 + share * (0.8745 - 0.999))
    steps = []
    for layer, (weight, group) in enumerate(zip(weights, adam.param_groups)):
        entries = [((7 * step + 5 * i + 3 * layer) % 11 - 5) / 4 for i in range(weight.numel())]
        weight.grad = torch.tensor(entries).reshape(weight.shape)
        state, (beta1, beta2) = adam.state[weight], group["betas"]
        if state:
            t = state["step"].item()
            root = (state["exp_avg_sq"].mean() / (1 - beta2**t)).sqrt().item()
            steps.append(RATE / ((1 - beta1**t) * (root + EPSILON)))
    adam.step()
    rows.append({"effective_step": steps, "weights": [w for weight in weights for w in weight.flatten().tolist()]})
Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
