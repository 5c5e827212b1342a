"""What is timed: a network, its loss, its optimizer and the size of a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.workloads.layers import Dropout, Layer, Residual, flat, multiply_adds

LOSSES = ("cross_entropy", "binary_cross_entropy", "mean_squared")
OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class Optimizer:
    """An update rule with PyTorch's defaults for what is not named here.

    Attributes:
        name: `adam` or `sgd`.
        momentum: of `sgd`.
        clip_norm: the largest common norm of all gradients, or `None`.
    """

    name: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    clip_norm: float | None = None

    @property
    def moments(self) -> int:
        """How many numbers it keeps for each parameter."""
        return 2 if self.name == "adam" else int(self.momentum != 0)


@dataclass(frozen=True)
class Workload:
    """One thing to time.

    Attributes:
        loss: `cross_entropy` (labels), `binary_cross_entropy` (on logits), or `mean_squared`
            (of the output against the input, or against other numbers where shapes differ).
        batch: rows per step.
        loss_tolerance: relative difference of losses that rounding may make over the first steps.
    """

    name: str
    layers: tuple[Layer, ...]
    loss: str
    batch: int
    optimizer: Optimizer = Optimizer()
    loss_tolerance: float = 1e-3

    def operations(self, *, training: bool) -> int:
        """Floating-point operations of one step: two for each multiply-add of a contraction."""
        return 2 * self.batch * multiply_adds(self.layers, training=training)

    def update_bytes(self, parameters: int) -> int:
        """Bytes that the update must move: float32 parameters and moments, each read and written.

        A gradient that stays in cache or registers costs nothing more.
        """
        return parameters * 4 * 2 * (1 + self.optimizer.moments)

    @property
    def is_random(self) -> bool:
        """Whether libraries that draw different random numbers have different losses."""
        return any(isinstance(layer, Dropout) for layer in flat(self.layers))

    def without_randomness(self) -> Workload:
        """The same with nothing dropped, so that losses of libraries can be compared."""
        return replace(self, layers=_without_dropout(self.layers))


def _without_dropout(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    kept: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Residual):
            inside, shortcut = _without_dropout(layer.layers), _without_dropout(layer.shortcut)
            kept.append(Residual(inside, shortcut))
        elif not isinstance(layer, Dropout):
            kept.append(layer)
    return tuple(kept)
