"""Dropout."""

from __future__ import annotations

import steepest as st
from steepest.array.tensor import Tensor
from steepest.nn.checks import as_tensor, check_probability, require_floating


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    generator: st.random.Generator | None = None,
    name: str = "dropout",
) -> Tensor:
    """Zero each number with probability `p` and divide the others by 1 - p.

    Outside training the input is returned as it is. The mask is a function of the generator's
    key and counter, so it is the same in eager mode, compiled, and after a resume.

    Args:
        input: any shape, floating point.
        p: the probability of a zero, from 0 to 1.
        training: whether to drop at all.
        generator: the source of randomness; the default generator if `None`.
        name: how error messages call the operation.

    Raises:
        ArgumentError: `p` outside 0 to 1.
        DTypeError: the input is not floating point.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014).
    """
    x = as_tensor(input)
    check_probability(p, name)
    require_floating(x, name)
    if not training or p == 0.0:
        return x
    if p == 1.0:
        return x * 0.0
    keep = st.random.bernoulli(1.0 - p, x.shape, generator=generator)
    return st.where(keep, x * (1.0 / (1.0 - p)), 0.0)
