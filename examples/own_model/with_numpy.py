"""A model of one's own with numpy alone: principal components as a bottleneck, written by Witnessmark's own int8 writer.

    python examples/own_model/with_numpy.py FOLDER [COMPONENTS]

FOLDER holds what `witnessmark model rows` wrote; model.tflite and manifest.cbor join it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from own_model import Site

from models.flatbuffer import write_model
from models.quantise import INSIDE, RANGE, Dense, forward, quantised


def main() -> None:
    """Train, write, say how good it is."""
    site = Site(Path(sys.argv[1]))
    width = site.train.shape[1]
    components = int(sys.argv[2]) if len(sys.argv) > 2 else max(1, width // 2)
    _, _, directions = np.linalg.svd(site.train, full_matrices=False)
    into = directions[:components]
    layers = [Dense(into, np.zeros(len(into))), Dense(into.T, np.zeros(width))]
    model = write_model(INSIDE, quantised(layers, site.train), f"{components} principal components")
    site.finish("principal components", "examples/own_model", model, lambda rows: forward(layers, np.clip(rows, -RANGE, RANGE))[-1])


if __name__ == "__main__":
    main()
