"""A model of one's own with Keras: a small dense autoencoder through TensorFlow's converter, in full int8.

    pip install tensorflow-cpu
    python examples/own_model/with_keras.py FOLDER [EPOCHS]

FOLDER holds what `witnessmark model rows` wrote; model.tflite and manifest.cbor join it. Witnessmark with its extra `models` is needed
where this runs: in a folder of its source, `pip install '.[models]'`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from own_model import Site

RANGE = 8.0
"""Standard deviations that the int8 input can say. From training rows alone the converter would cut off just what is not normal."""


def main() -> None:
    """Train, convert, say how good it is."""
    site = Site(Path(sys.argv[1]))
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    tf.keras.utils.set_random_seed(1)
    rows = site.train.astype(np.float32)
    width = rows.shape[1]
    layers = tf.keras.layers
    net = tf.keras.Sequential([
        tf.keras.Input((width,), batch_size=1),  # a batch of 1: a model with an open shape is refused
        layers.Dense(2 * width, activation="relu"),
        layers.Dense(max(2, width // 2)),
        layers.Dense(2 * width, activation="relu"),
        layers.Dense(width),
    ])  # fmt: skip
    net.compile(optimizer="adam", loss="mse")
    pairs = tf.data.Dataset.from_tensor_slices((rows, rows)).shuffle(len(rows), seed=1).batch(1)
    net.fit(pairs, epochs=epochs, verbose=0)

    def typical() -> Iterator[list[np.ndarray]]:
        for row in rows[:: max(1, len(rows) // 300)]:
            yield [row[None]]
        for edge in (-RANGE, RANGE):
            yield [np.full((1, width), edge, np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = typical
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    model = converter.convert()
    exact = tf.function(net)
    site.finish(
        "keras autoencoder",
        "examples/own_model",
        model,
        lambda given: np.vstack([exact(row[None].astype(np.float32)).numpy() for row in given]),
    )


if __name__ == "__main__":
    main()
