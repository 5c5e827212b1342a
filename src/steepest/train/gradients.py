"""Reading the norms of gradients: which layers get none, too little or too much."""

from __future__ import annotations

import math
from collections.abc import Mapping

from steepest.train.history import format_number

VANISHING_RATIO = 1e-6
"""A gradient this much smaller, number by number, than the largest one is called vanishing."""

EXPLODING_NORM = 1e3
"""A common norm of all gradients above this is called exploding."""


def gradient_notes(norms: Mapping[str, float], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return remarks on one epoch's mean gradient norms.

    Whether gradients vanish is judged by weights alone: a bias in front of a normalization layer
    has no gradient by nature.

    Args:
        norms: of the gradient of each parameter, by name.
        shapes: of the parameters.

    Returns:
        One sentence for each fault; none for gradients that flow. A sentence begins with the
        kind of fault and the parameter, followed by a colon.
    """
    notes = []
    per_number = {
        name: norm / math.sqrt(max(math.prod(shapes[name]), 1)) for name, norm in norms.items()
    }
    largest = max(per_number, key=lambda name: per_number[name], default="")
    for name, norm in norms.items():
        if norm == 0.0:
            notes.append(
                f"no gradient at {name!r}: it is not used, or the units behind it are dead."
            )
        elif len(shapes[name]) > 1 and per_number[name] < VANISHING_RATIO * per_number[largest]:
            notes.append(
                f"vanishing gradient at {name!r}: {format_number(per_number[name])} a number, "
                f"against {format_number(per_number[largest])} at {largest!r}. Use ReLU-like "
                f"activations, normalization layers or residual connections."
            )
    total = math.sqrt(sum(norm * norm for norm in norms.values()))
    if total > EXPLODING_NORM:
        steepest = max(norms, key=lambda name: norms[name])
        notes.append(
            f"exploding gradient at {steepest!r}: the common norm is {format_number(total)}. Clip "
            f"with Trainer(clip_norm=1.0), or lower the learning rate."
        )
    return notes
