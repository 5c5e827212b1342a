"""Complex numbers for tests of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import steepest as st


def complex_array(*shape: int, seed: int = 0) -> Any:
    """Numbers in all four quadrants, none near an axis, 0 or a branch cut."""
    random = np.random.default_rng(seed)
    parts = random.uniform(0.2, 1.5, (2, *shape)) * random.choice([-1, 1], (2, *shape))
    return parts[0] + 1j * parts[1]


def real_array(*shape: int, seed: int = 5) -> Any:
    return complex_array(*shape, seed=seed).real


def one(value: complex) -> st.Tensor:
    """A tensor of one number in double precision."""
    return st.asarray(np.array(value))


def torch_leaves(arrays: Sequence[Any]) -> list[Any]:
    return [torch.tensor(each, requires_grad=True) for each in arrays]
