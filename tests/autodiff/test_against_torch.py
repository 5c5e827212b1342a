"""Composite functions: values, gradients and second derivatives against PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import compiled

import steepest as st
from steepest.nn import functional

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

Function = Callable[..., Any]
Both = tuple[list[tuple[int, ...]], Function, Function]

FUNCTIONS: dict[str, Both] = {
    "attention": (
        [(5, 4), (5, 4), (5, 3)],
        lambda q, k, v: st.tanh(functional.softmax(q @ k.T / 2.0, dim=-1) @ v),
        lambda q, k, v: torch.tanh(torch.softmax(q @ k.T / 2.0, dim=-1) @ v),
    ),
    "layer norm": (
        [(3, 6), (6,)],
        lambda x, w: (
            (x - st.mean(x, axis=1, keepdims=True))
            / st.sqrt(st.var(x, axis=1, keepdims=True) + 1e-5)
            * w
        ),
        lambda x, w: (
            (x - x.mean(1, keepdim=True))
            / torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)
            * w
        ),
    ),
    "cross entropy": (
        [(4, 5)],
        lambda x: functional.cross_entropy(x, st.asarray([0, 4, 2, 2])),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([0, 4, 2, 2])),
    ),
    "logsumexp of a batched product": (
        [(2, 3, 4), (2, 4, 2)],
        lambda x, y: st.logsumexp(x @ y, axis=(0, 2)),
        lambda x, y: torch.logsumexp(x @ y, (0, 2)),
    ),
    "pieces": (
        [(6, 4)],
        lambda x: st.concat([x[::2, 1:] * 2, st.flip(x[1::2, :3], axis=1) ** 2], axis=0),
        lambda x: torch.cat([x[::2, 1:] * 2, torch.flip(x[1::2, :3], [1]) ** 2]),
    ),
    "positions": (
        [(5, 3)],
        lambda x: (
            st.take(x, st.asarray([4, 0, 0]), axis=0)
            * st.take_along_axis(x, st.asarray([[0], [1], [2], [0], [1]]), axis=1)[:3]
        ),
        lambda x: x[[4, 0, 0]] * torch.gather(x, 1, torch.tensor([[0], [1], [2], [0], [1]]))[:3],
    ),
    "sorted": (
        [(7,)],
        lambda x: st.sort(x, descending=True) ** 2 * st.arange(7, dtype=st.float64),
        lambda x: torch.sort(x, descending=True)[0] ** 2 * torch.arange(7),
    ),
    "extremes": (
        [(4, 5)],
        lambda x: st.max(x, axis=1) * st.min(x, axis=1) + st.maximum(x[:, 0], x[:, 1] ** 2),
        lambda x: x.amax(1) * x.amin(1) + torch.maximum(x[:, 0], x[:, 1] ** 2),
    ),
    "products": (
        [(3, 4)],
        lambda x: st.prod(x, axis=1) + st.sum(st.cumulative_prod(x, axis=1), axis=1),
        lambda x: x.prod(1) + torch.cumprod(x, 1).sum(1),
    ),
    "running sums": (
        [(3, 4)],
        lambda x: st.exp(st.cumulative_sum(x, axis=0) / 3),
        lambda x: torch.exp(torch.cumsum(x, 0) / 3),
    ),
    "einsum": (
        [(2, 3, 4), (4, 5), (5, 3)],
        lambda a, b, c: st.einsum("bij,jk,ki->bk", a, b, c),
        lambda a, b, c: torch.einsum("bij,jk,ki->bk", a, b, c),
    ),
    "a mixture": (
        [(4, 4), (4,)],
        lambda x, y: st.where(x > y, st.sin(x) * y, st.log1p(x * x)) - st.remainder(x, 0.7) * y,
        lambda x, y: (
            torch.where(x > y, torch.sin(x) * y, torch.log1p(x * x)) - torch.remainder(x, 0.7) * y
        ),
    ),
    "gelu": (
        [(3, 3)],
        lambda x: x * 0.5 * (1 + st.erf(x / 2**0.5)) + functional.softplus(x) * st.sigmoid(-x),
        lambda x: torch.nn.functional.gelu(x) + torch.nn.functional.softplus(x) * torch.sigmoid(-x),
    ),
    "angles": (
        [(3, 3), (3, 3)],
        lambda x, y: st.atan2(x, y) * st.hypot(x, y) + st.asinh(x) * st.atan(y),
        lambda x, y: torch.atan2(x, y) * torch.hypot(x, y) + torch.asinh(x) * torch.atan(y),
    ),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_against_torch(name: str) -> None:
    shapes, ours, theirs = FUNCTIONS[name]
    random = np.random.default_rng(len(name))
    arrays = [random.normal(size=shape) for shape in shapes]
    weights = random.normal(size=tuple(ours(*map(st.asarray, arrays)).shape))
    directions = [random.normal(size=shape) for shape in shapes]

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    output = theirs(*tensors)
    first = torch.autograd.grad((output * torch.tensor(weights)).sum(), tensors, create_graph=True)
    inner = sum(
        (gradient * torch.tensor(direction)).sum()
        for gradient, direction in zip(first, directions, strict=True)
    )
    second = torch.autograd.grad(inner, tensors, allow_unused=True, materialize_grads=True)

    def loss(*x: st.Tensor) -> st.Tensor:
        return st.sum(ours(*x) * st.asarray(weights))

    def everything(*x: st.Tensor) -> Any:
        places = range(len(x))
        gradients = st.grad(loss, argnums=places)

        def along(*x: st.Tensor) -> st.Tensor:
            products = zip(gradients(*x), directions, strict=True)
            return sum((st.sum(g * st.asarray(d)) for g, d in products), st.zeros(()))

        return ours(*x), gradients(*x), st.grad(along, argnums=places)(*x)

    inputs = [st.asarray(array) for array in arrays]
    for wrap in (lambda function: function, compiled):
        value, gradients, seconds = wrap(everything)(*inputs)
        close(value, output)
        for found, expected in zip((*gradients, *seconds), (*first, *second), strict=True):
            close(found, expected)


def close(found: st.Tensor, expected: Any) -> None:
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-12)
