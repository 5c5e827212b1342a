"""The contraction: products of two tensors, summed over the axes that they share.

Matrix products, batched ones, outer products and their gradients are all this one primitive. An
axis is a letter: `contract(x, w, spec="bi,oi->bo")` is a dense layer with weight (out, in).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import float32
from steepest.graph.types import TensorType
from steepest.ops.primitive import (
    BadSample,
    Primitive,
    Sample,
    Tensor,
    check_kind,
    check_same_dtype,
    sample_numbers,
)

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@lru_cache(maxsize=4096)
def parse_spec(spec: str) -> tuple[str, str, str]:
    """Split `"bi,oi->bo"` into the letters of left, right and output.

    Raises:
        ArgumentError: a letter occurs twice in one place, or in one of the three only.
    """
    operands, _, output = spec.partition("->")
    left, _, right = operands.partition(",")
    for letters in (left, right, output):
        if len(set(letters)) != len(letters):
            raise ArgumentError(f"contract: a letter stands twice in {letters!r} of {spec!r}.")
    alone = [
        letter
        for letter in sorted(set(left + right + output))
        if (letter in left) + (letter in right) + (letter in output) < 2
    ]
    if alone:
        raise ArgumentError(f"contract: {alone[0]!r} stands in one place only of {spec!r}.")
    return left, right, output


def _infer_contract(left: TensorType, right: TensorType, *, spec: str) -> TensorType:
    check_kind("contract", "left", left, "number")
    check_same_dtype("contract", ("left", "right"), (left, right))
    left_letters, right_letters, output_letters = parse_spec(spec)
    if len(left_letters) != left.ndim or len(right_letters) != right.ndim:
        raise ShapeError(
            f"contract: left {left.shape} and right {right.shape} do not have the axes of {spec!r}."
        )
    sizes = dict(zip(left_letters, left.shape, strict=True))
    for letter, size in zip(right_letters, right.shape, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise ShapeError(
                f"contract: left {left.shape} and right {right.shape} differ in axis "
                f"{letter!r} of {spec!r}: {sizes[letter]} against {size}."
            )
    return TensorType(tuple(sizes[letter] for letter in output_letters), left.dtype)


def _contract(left: np.ndarray, right: np.ndarray, *, spec: str) -> np.ndarray:
    """Bring both operands into the form of one batched matrix product, and the result back.

    The order of additions does not depend on the order of axes in operands and result, nor on how
    the numbers lie in memory: the letters of a group stand in alphabetical order, and BLAS, which
    adds differently when a matrix is stored the other way round, gets both in plain order. So a
    pass can turn a transposition into another `spec` without changing a bit.
    """
    left_letters, right_letters, output_letters = parse_spec(spec)
    shared = sorted(set(left_letters) & set(right_letters))
    batch = [each for each in shared if each in output_letters]
    summed = [each for each in shared if each not in output_letters]
    rows = sorted(set(left_letters) - set(right_letters))
    columns = sorted(set(right_letters) - set(left_letters))
    sizes = dict(zip(left_letters + right_letters, left.shape + right.shape, strict=True))

    def matrices(array: np.ndarray, letters: str, *groups: list[str]) -> np.ndarray:
        order = [letters.index(each) for group in groups for each in group]
        shape = [sizes[each] for each in groups[0]]
        shape += [int(np.prod([sizes[each] for each in group])) for group in groups[1:]]
        return np.asarray(array.transpose(order).reshape(shape), order="C")

    first = matrices(left, left_letters, batch, rows, summed)
    second = matrices(right, right_letters, batch, summed, columns)
    made = batch + rows + columns
    result = np.matmul(first, second).reshape([sizes[each] for each in made])
    return result.transpose([made.index(each) for each in output_letters])


def _contract_gradient(
    index: int, output_grad: Tensor, output: Tensor, left: Tensor, right: Tensor, *, spec: str
) -> Tensor:
    """The gradient of either operand is the contraction of the output's with the other operand."""
    left_letters, right_letters, output_letters = parse_spec(spec)
    if index == 0:
        return contract(
            output_grad, right, spec=f"{output_letters},{right_letters}->{left_letters}"
        )
    return contract(left, output_grad, spec=f"{left_letters},{output_letters}->{right_letters}")


def _contract_samples() -> Iterable[Sample]:
    specs: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
        ("ij,jk->ik", (3, 4), (4, 2)),
        ("ij,kj->ik", (3, 4), (2, 4)),
        ("ji,jk->ki", (4, 3), (4, 2)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
        ("i,i->", (5,), (5,)),
        ("i,j->ij", (3,), (2,)),
        ("abij,acjk->bkaic", (2, 3, 2, 4), (2, 2, 4, 3)),
        ("ij,jk->ik", (3, 0), (0, 2)),
        ("ij,ij->ij", (2, 3), (2, 3)),
    ]
    for spec, left, right in specs:
        yield Sample((sample_numbers(left, seed=1), sample_numbers(right, seed=2)), {"spec": spec})


contract = Primitive(
    "contract",
    infer=_infer_contract,
    evaluate=_contract,
    gradient=_contract_gradient,
    samples=_contract_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 3), float32), TensorType((4, 5), float32)),
            "contract: left (2, 3) and right (4, 5) differ in axis 'j' of 'ij,jk->ik': "
            "3 against 4.",
            {"spec": "ij,jk->ik"},
        )
    ],
)
