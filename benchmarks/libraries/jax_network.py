"""A network of layers as a function of JAX, with images channels last inside.

Weights of convolutions are (kernel, kernel, inputs, outputs), which XLA takes as they are; with
PyTorch's layouts it would copy images and weights at every convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.libraries.session import Task
from benchmarks.workloads.layers import (
    LEAKY_SLOPE,
    Activation,
    BatchNorm,
    ChannelFill,
    Convolution,
    Dense,
    Dropout,
    EmbeddedColumns,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    TransposedConvolution,
    flat,
    weighted,
)

NORM_MOMENTUM = 0.1
NORM_EPSILON = 1e-5
LAYOUTS = ("NHWC", "HWIO", "NHWC")


class Walk:
    """Goes through a network once, taking parameters and statistics in their order."""

    def __init__(self, parameters: list[Any], statistics: list[Any], key: Any, *, training: bool):
        self._parameters: Iterator[Any] = iter(parameters)
        self._statistics: Iterator[Any] = iter(statistics)
        self._key = key
        self._training = training
        self.new_statistics: list[Any] = []

    def network(self, layers: tuple[Layer, ...], inputs: tuple[Any, ...]) -> Any:
        """The output for a batch's inputs."""
        import jax.numpy as jnp

        if isinstance(layers[0], EmbeddedColumns):
            rows, numbers = inputs
            found = next(self._parameters)[rows].reshape(rows.shape[0], -1)
            return self.layers(layers[1:], jnp.concatenate([found, numbers], axis=1))
        return self.layers(layers, inputs[0])

    def layers(self, layers: tuple[Layer, ...], x: Any) -> Any:
        for layer in layers:
            x = self.layer(layer, x)
        return x

    def layer(self, layer: Layer, x: Any) -> Any:
        import jax.numpy as jnp

        match layer:
            case Dense():
                weight, bias = next(self._parameters), next(self._parameters)
                return x @ weight.T + bias
            case Convolution() | TransposedConvolution():
                made = convolved(layer, x, next(self._parameters))
                return made + next(self._parameters) if layer.bias else made
            case MaxPool():
                return pooled(layer, x)
            case GlobalAveragePool():
                return jnp.mean(x, axis=(1, 2))
            case Flatten():
                return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
            case Activation(name):
                return activated(name, x)
            case BatchNorm():
                return self._norm(x)
            case Dropout(probability):
                return self._dropped(probability, x)
            case Residual(inside, shortcut):
                return self.layers(inside, x) + self.layers(shortcut, x)
            case ChannelFill(extra, stride):
                sides = ((0, 0), (0, 0), (0, 0), (extra // 2, extra - extra // 2))
                return jnp.pad(x[:, ::stride, ::stride], sides)
        raise TypeError(f"{layer} can only be the first layer.")

    def _dropped(self, probability: float, x: Any) -> Any:
        import jax
        import jax.numpy as jnp

        if not self._training:
            return x
        self._key, used = jax.random.split(self._key)
        kept = jax.random.bernoulli(used, 1 - probability, x.shape)
        return jnp.where(kept, x / (1 - probability), 0)

    def _norm(self, x: Any) -> Any:
        import jax.numpy as jnp

        scale, shift = next(self._parameters), next(self._parameters)
        mean, variance = next(self._statistics)
        if self._training:
            axes = tuple(range(x.ndim - 1))
            kept = 1 - NORM_MOMENTUM
            count = x.size // x.shape[-1]
            unbiased = count / (count - 1)
            old_mean, old_variance = mean, variance
            mean, variance = jnp.mean(x, axis=axes), jnp.var(x, axis=axes)
            self.new_statistics.append(
                (
                    kept * old_mean + NORM_MOMENTUM * mean,
                    kept * old_variance + NORM_MOMENTUM * unbiased * variance,
                )
            )
        return (x - mean) * (scale / jnp.sqrt(variance + NORM_EPSILON)) + shift


def convolved(layer: Convolution | TransposedConvolution, x: Any, weight: Any) -> Any:
    """The convolution without its bias; a transposed one strides over its result instead."""
    import jax

    sides, stride, spread = layer.padding, layer.stride, 1
    groups = 1
    if isinstance(layer, TransposedConvolution):
        sides, stride, spread = layer.kernel - 1 - layer.padding, 1, layer.stride
    else:
        groups = layer.groups
    return jax.lax.conv_general_dilated(
        x,
        weight,
        (stride, stride),
        [(sides, sides)] * 2,
        lhs_dilation=(spread, spread),
        dimension_numbers=LAYOUTS,
        feature_group_count=groups,
    )


def pooled(layer: MaxPool, x: Any) -> Any:
    """The largest numbers of squares."""
    import jax
    import jax.numpy as jnp

    window = (1, layer.size, layer.size, 1)
    steps = (1, layer.step, layer.step, 1)
    sides = [(0, 0), (layer.padding,) * 2, (layer.padding,) * 2, (0, 0)]
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, steps, sides)


def activated(name: str, x: Any) -> Any:
    """An elementwise function by name."""
    import jax
    import jax.numpy as jnp

    functions = {
        "relu": jax.nn.relu,
        "relu6": jax.nn.relu6,
        "leaky_relu": lambda x: jax.nn.leaky_relu(x, LEAKY_SLOPE),
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
    }
    return functions[name](x)


def channels_last(numbers: np.ndarray) -> np.ndarray:
    """Images with their channels last; other arrays as they are."""
    return numbers.transpose(0, 2, 3, 1) if numbers.ndim == 4 else numbers


def arranged(task: Task) -> list[np.ndarray]:
    """The parameters with weights of convolutions (kernel, kernel, inputs, outputs).

    Those of transposed ones are turned round too, which makes plain convolutions of them.
    """
    kernels = (layer for layer in weighted(task.workload.layers) if not isinstance(layer, Dense))
    made = []
    for numbers in task.parameters:
        if numbers.ndim != 4:
            made.append(numbers)
        elif isinstance(next(kernels), TransposedConvolution):
            made.append(numbers.transpose(2, 3, 0, 1)[::-1, ::-1])
        else:
            made.append(numbers.transpose(2, 3, 1, 0))
    return made


def initial_statistics(layers: tuple[Layer, ...]) -> list[Any]:
    """Running mean 0 and variance 1 of each normalisation."""
    import jax.numpy as jnp

    return [
        (jnp.zeros(layer.features), jnp.ones(layer.features))
        for layer in flat(layers)
        if isinstance(layer, BatchNorm)
    ]
