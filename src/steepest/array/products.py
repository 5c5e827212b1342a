"""Products of tensors: matmul, tensordot, vecdot and einsum, all made of the one contraction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steepest.array.conversion import normal_axis, promoted, shape_of
from steepest.array.elementwise import conj
from steepest.array.manipulation import broadcast_to, diagonal_of
from steepest.errors import ArgumentError, ShapeError
from steepest.ops import movement, reduction
from steepest.ops.contraction import LETTERS, contract
from steepest.ops.elementwise.arithmetic import multiply
from steepest.trace.origin import located
from steepest.trace.value import Value

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def matmul(x1: Any, x2: Any, /) -> Tensor:
    """The matrix product over the last two axes; leading axes broadcast.

    A vector on the left is a row, on the right a column, and its axis is dropped again.
    """
    left, right = promoted(x1, x2)
    left_shape, right_shape = shape_of(left), shape_of(right)
    if not left_shape or not right_shape:
        raise ShapeError(located(f"matmul: left {left_shape} or right {right_shape} has no axis."))
    inner = right_shape[0] if len(right_shape) == 1 else right_shape[-2]
    if left_shape[-1] != inner:
        raise ShapeError(
            located(
                f"matmul: left {left_shape} needs {left_shape[-1]} rows on the right, but right "
                f"is {right_shape}."
            )
        )
    left_letters, right_letters = _matmul_letters(len(left_shape), len(right_shape))
    left, left_letters, right, right_letters = _aligned_batches(
        left, left_letters, right, right_letters
    )
    batch = set(left_letters + right_letters) - set("ijk")
    output = "".join(sorted(batch, key=LETTERS.index))
    output += "i" * ("i" in left_letters) + "k" * ("k" in right_letters)
    return contract(left, right, spec=f"{left_letters},{right_letters}->{output}")


def _matmul_letters(left_ndim: int, right_ndim: int) -> tuple[str, str]:
    """Name axes from the back: (..., i, j) and (..., j, k); batch axes share letters."""
    batch = LETTERS[11:]
    depth = max(left_ndim, right_ndim, 2) - 2
    left = batch[depth - max(left_ndim - 2, 0) : depth] + ("ij" if left_ndim > 1 else "j")
    right = batch[depth - max(right_ndim - 2, 0) : depth] + ("jk" if right_ndim > 1 else "j")
    return left, right


def _aligned_batches(
    left: Value, left_letters: str, right: Value, right_letters: str
) -> tuple[Value, str, Value, str]:
    """Drop batch axes of size 1 that the other operand repeats."""
    shared = set(left_letters) & set(right_letters) - set("ijk")
    for letter in sorted(shared):
        left_axis, right_axis = left_letters.index(letter), right_letters.index(letter)
        left_size, right_size = shape_of(left)[left_axis], shape_of(right)[right_axis]
        if left_size == right_size:
            continue
        if 1 not in (left_size, right_size):
            raise ShapeError(
                located(
                    f"matmul: left {shape_of(left)} and right {shape_of(right)} have leading axes "
                    f"of sizes {left_size} and {right_size}, which do not broadcast."
                )
            )
        if left_size == 1:
            left, left_letters = _without_axis(left, left_axis), left_letters.replace(letter, "")
        else:
            right = _without_axis(right, right_axis)
            right_letters = right_letters.replace(letter, "")
    return left, left_letters, right, right_letters


def _without_axis(value: Value, axis: int) -> Value:
    shape = shape_of(value)
    return movement.reshape(value, shape=shape[:axis] + shape[axis + 1 :])


def tensordot(
    x1: Any, x2: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """The product summed over `axes`: the last n of x1 with the first n of x2, or two lists."""
    left, right = promoted(x1, x2)
    left_ndim, right_ndim = len(shape_of(left)), len(shape_of(right))
    if isinstance(axes, int):
        left_axes = list(range(left_ndim - axes, left_ndim))
        right_axes = list(range(axes))
    else:
        left_axes = [normal_axis(axis, left_ndim, "tensordot") for axis in axes[0]]
        right_axes = [normal_axis(axis, right_ndim, "tensordot") for axis in axes[1]]
    letters = LETTERS[:left_ndim]
    free = iter(LETTERS[left_ndim:])
    paired = dict(zip(right_axes, left_axes, strict=True))
    for right_axis, left_axis in paired.items():
        if shape_of(left)[left_axis] != shape_of(right)[right_axis]:
            raise ShapeError(
                located(
                    f"tensordot: left {shape_of(left)} axis {left_axis} and right "
                    f"{shape_of(right)} axis {right_axis} differ in size."
                )
            )
    right_letters = "".join(
        letters[paired[n]] if n in paired else next(free) for n in range(right_ndim)
    )
    output = "".join(each for each in letters if each not in right_letters)
    output += "".join(each for each in right_letters if each not in letters)
    return contract(left, right, spec=f"{letters},{right_letters}->{output}")


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The sum of products along one axis, counted from the end; the others broadcast.

    Complex numbers of `x1` are conjugated.
    """
    left, right = promoted(x1, x2)
    smaller = min(len(shape_of(left)), len(shape_of(right)))
    if not -smaller <= axis <= -1:
        raise ShapeError(located(f"vecdot: axis {axis} must be within [-{smaller}, -1]."))
    if shape_of(left)[axis] != shape_of(right)[axis]:
        raise ShapeError(
            located(
                f"vecdot: left {shape_of(left)} and right {shape_of(right)} differ in axis {axis}."
            )
        )
    product = multiply(conj(left), right)
    return reduction.sum_(product, axes=(len(shape_of(product)) + axis,))


def einsum(equation: str, /, *operands: Any) -> Tensor:
    """Products of any number of tensors, summed over letters that the result does not name.

    Args:
        equation: such as `"bij,bjk->bik"`. Without `->` the result has the letters that stand
            once, in alphabetical order. A letter twice in one operand means its diagonal; `...`
            stands for leading axes, which broadcast.

    Operands are combined from left to right.
    """
    values = list(promoted(*operands))
    terms, output = _parse_equation(equation, values)
    for index, (value, letters) in enumerate(zip(values, terms, strict=True)):
        values[index], terms[index] = _diagonal(equation, value, letters)
    sizes = _letter_sizes(equation, values, terms)
    value, letters = values[0], terms[0]
    for n, (other, other_letters) in enumerate(zip(values[1:], terms[1:], strict=True), start=1):
        needed = set(output).union(*terms[n + 1 :])
        value, letters = _combine(value, letters, other, other_letters, needed, sizes)
    value, letters = _sum_out(value, letters, set(output))
    value = movement.transpose(value, axes=tuple(letters.index(each) for each in output))
    return broadcast_to(value, [sizes[each] for each in output])


def _parse_equation(equation: str, values: Sequence[Value]) -> tuple[list[str], str]:
    """Split an equation into the letters of each operand and of the result."""
    compact = equation.replace(" ", "")
    left, arrow, output = compact.partition("->")
    _check_letters(equation, left, output)
    terms = left.split(",")
    if len(terms) != len(values):
        raise ArgumentError(
            located(f"einsum: {equation!r} names {len(terms)} operands, but got {len(values)}.")
        )
    spare = [each for each in reversed(LETTERS) if each not in compact]
    widths = [
        len(shape_of(value)) - len(term.replace("...", ""))
        for value, term in zip(values, terms, strict=True)
        if "..." in term
    ]
    dots = "".join(spare[: max(widths, default=0)])
    written = []
    for value, term in zip(values, terms, strict=True):
        width = len(shape_of(value)) - len(term.replace("...", ""))
        written.append(term.replace("...", dots[len(dots) - width :] if "..." in term else ""))
        if len(written[-1]) != len(shape_of(value)):
            raise ShapeError(
                located(f"einsum: operand {shape_of(value)} does not have the axes of {term!r}.")
            )
    if not arrow:
        counted = "".join(written)
        output = dots + "".join(
            sorted(each for each in set(counted) if counted.count(each) == 1 and each not in dots)
        )
    output = output.replace("...", dots)
    unknown = [each for each in output if each not in "".join(written)]
    if unknown:
        raise ArgumentError(located(f"einsum: {unknown[0]!r} of the result is in no operand."))
    return written, output


def _check_letters(equation: str, left: str, output: str) -> None:
    """Raise ArgumentError unless an equation is made of letters, each once in the result."""
    for each in (left + output).replace("...", "").replace(",", ""):
        if each not in LETTERS:
            raise ArgumentError(located(f"einsum: {each!r} of {equation!r} is no letter."))
    for each in output.replace("...", ""):
        if output.count(each) > 1:
            raise ArgumentError(
                located(f"einsum: {each!r} stands twice in the result of {equation!r}.")
            )


def _letter_sizes(equation: str, values: Sequence[Value], terms: Sequence[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for value, letters in zip(values, terms, strict=True):
        for letter, size in zip(letters, shape_of(value), strict=True):
            known = sizes.setdefault(letter, size)
            if known != size and 1 not in (known, size):
                raise ShapeError(
                    located(f"einsum: {equation!r}: axis {letter!r} has sizes {known} and {size}.")
                )
            sizes[letter] = max(known, size) if 1 in (known, size) else size
    return sizes


def _diagonal(equation: str, value: Value, letters: str) -> tuple[Value, str]:
    """Keep the diagonal of axes that share a letter."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            sizes = (shape_of(value)[first], shape_of(value)[second])
            if sizes[0] != sizes[1]:
                raise ShapeError(
                    located(
                        f"einsum: {equation!r}: axis {letter!r} has sizes {sizes[0]} and "
                        f"{sizes[1]}."
                    )
                )
            value = diagonal_of(value, first, second)
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + letter
    return value, letters


def _sum_out(value: Value, letters: str, needed: set[str]) -> tuple[Value, str]:
    """Sum over the letters that nothing needs any more."""
    axes = tuple(n for n, letter in enumerate(letters) if letter not in needed)
    if not axes:
        return value, letters
    kept = "".join(letter for letter in letters if letter in needed)
    return reduction.sum_(value, axes=axes), kept


def _combine(
    left: Value,
    left_letters: str,
    right: Value,
    right_letters: str,
    needed: set[str],
    sizes: dict[str, int],
) -> tuple[Value, str]:
    """Multiply two operands and sum over the letters that only they have."""
    left, left_letters = _sum_out(left, left_letters, needed | set(right_letters))
    right, right_letters = _sum_out(right, right_letters, needed | set(left_letters))
    left = _full_size(left, left_letters, right_letters, sizes)
    right = _full_size(right, right_letters, left_letters, sizes)
    together = dict.fromkeys(itertools.chain(left_letters, right_letters))
    output = "".join(each for each in together if each in needed)
    return contract(left, right, spec=f"{left_letters},{right_letters}->{output}"), output


def _full_size(value: Value, letters: str, shared: str, sizes: dict[str, int]) -> Value:
    """Repeat axes of size 1 that another operand has in full."""
    shape = tuple(
        sizes[letter] if letter in shared else size
        for letter, size in zip(letters, shape_of(value), strict=True)
    )
    return value if shape == shape_of(value) else movement.broadcast_to(value, shape=shape)
