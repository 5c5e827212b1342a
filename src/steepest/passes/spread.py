"""Contractions whose result is folded: what each number of one operand gives to a window."""

from __future__ import annotations

import dataclasses

from steepest.graph.node import Node
from steepest.ops.contraction import contract, parse_spec
from steepest.ops.windows import fold, window_span


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """A contraction whose result is folded.

    Attributes:
        data: the operand with the axes of positions.
        weight: the operand with the axes of the windows.
        data_letters, weight_letters, output_letters: the axes; those of the output without the
            windows.
        axes: the folded axes of the result.
        letters: for each of them, the letters of position and of offset in the window.
        steps, dilations: the options of the fold.
    """

    data: Node
    weight: Node
    data_letters: str
    weight_letters: str
    output_letters: str
    axes: tuple[int, ...]
    letters: tuple[tuple[str, str], ...]
    steps: tuple[int, ...]
    dilations: tuple[int, ...]


def spread_of(node: Node) -> Spread | None:
    """What a fold sums, if it is a contraction of positions with windows that overlap."""
    if node.op is not fold or node.operands[0].op is not contract:
        return None
    inner = node.operands[0]
    if not inner.tensor_type.size or not inner.tensor_type.dtype.is_floating:
        return None
    axes, steps, dilations = (node.static[each] for each in ("axes", "steps", "dilations"))
    sizes = inner.tensor_type.shape[node.tensor_type.ndim :]
    options = zip(sizes, steps, dilations, strict=True)
    if all(window_span(size, dilation) <= step for size, step, dilation in options):
        return None
    left, right, output = parse_spec(inner.static["spec"])
    lead = output[: node.tensor_type.ndim]
    letters = tuple((output[axis], output[len(lead) + n]) for n, axis in enumerate(axes))
    terms = ((left, inner.operands[0]), (right, inner.operands[1]))
    for (data_letters, data), (weight_letters, weight) in (terms, terms[::-1]):
        if all(
            place not in weight_letters and offset not in data_letters for place, offset in letters
        ):
            spread = (data, weight, data_letters, weight_letters, lead)
            return Spread(*spread, axes, letters, steps, dilations)
    return None
