"""A model of one's own with PyTorch: a small dense autoencoder, its layers handed to Witnessmark's own int8 writer.

    pip install torch
    python examples/own_model/with_torch.py FOLDER [EPOCHS]

FOLDER holds what `witnessmark model rows` wrote; model.tflite and manifest.cbor join it. The writer knows dense layers and ReLU. For
anything else use a converter (litert-torch), and give the bytes that it makes to `Site.finish`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from own_model import Site
from torch import nn

from models.flatbuffer import write_model
from models.quantise import INSIDE, RANGE, Dense, forward, quantised


def main() -> None:
    """Train, write, say how good it is."""
    site = Site(Path(sys.argv[1]))
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    torch.manual_seed(1)
    rows = torch.tensor(site.train, dtype=torch.float32)
    width = rows.shape[1]
    code = max(2, width // 2)
    outer = nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, code)
    net = nn.Sequential(*outer, nn.Linear(code, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.split(rows[torch.randperm(len(rows))], 64):
            optimiser.zero_grad()
            nn.functional.mse_loss(net(batch + 0.1 * torch.randn_like(batch)), batch).backward()
            optimiser.step()
    layers = dense_layers(net)
    model = write_model(INSIDE, quantised(layers, site.train), "torch autoencoder")
    site.finish("torch autoencoder", "examples/own_model", model, lambda given: forward(layers, np.clip(given, -RANGE, RANGE))[-1])


def dense_layers(net: nn.Sequential) -> list[Dense]:
    """Return the layers as the writer takes them: each Linear with the ReLU that follows it."""
    parts = list(net)
    return [
        Dense(
            part.weight.detach().numpy().astype(np.float64),
            part.bias.detach().numpy().astype(np.float64),
            relu=n + 1 < len(parts) and isinstance(parts[n + 1], nn.ReLU),
        )
        for n, part in enumerate(parts)
        if isinstance(part, nn.Linear)
    ]


if __name__ == "__main__":
    main()
