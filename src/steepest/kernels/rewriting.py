"""Rewrites of a graph before it becomes loops: what is refused, widened or transposed first."""

from __future__ import annotations

import math
import string

from steepest.errors import GraphError
from steepest.graph.dtypes import DType, bfloat16, float32
from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.graph.types import TensorType
from steepest.kernels.affine import row_major
from steepest.ops import contraction, control, indexing, movement, reduction, windows
from steepest.ops.contraction import parse_spec
from steepest.ops.elementwise.selection import convert

LONG_ROW = 16
"""Numbers of a row that are summed by themselves before rows are."""

THIN = 16
"""Numbers side by side that are fewer than this fill no vector."""
WIDE = 48
"""So many are summed side by side instead."""

FEW_ROWS = 16
"""Rows of a gradient that are too few to be divided well among threads."""
PARTS = 8
"""Parts of a batch that give gradients by themselves."""
SMALL_RESULT = 262_144
"""Bytes that the gradients of all parts may have."""

SUMMING = (
    contraction.contract,
    reduction.sum_,
    reduction.product,
    reduction.cumulative_sum,
    reduction.cumulative_product,
    indexing.scatter_add,
    indexing.scatter_add_along_axis,
    windows.fold,
)


def check_supported(graph: Graph) -> Graph:
    """Refuse what no loop nest makes: values of several tensors, and complex numbers.

    Raises:
        GraphError: names the node and the user's line.
    """
    for node in (*graph.inputs, *graph.nodes()):
        parts = node.type if isinstance(node.type, tuple) else (node.type,)
        several = node.op is control.item or node.op is control.custom_gradient
        lowered = not getattr(node.op, "is_elementwise", False) or node.op.lower is not None  # type: ignore[union-attr]
        if several or not lowered or any(part.dtype.is_complex for part in parts):
            raise GraphError(
                f"{node!r} has no native code. At {node.origin}. "
                f"compile(..., back_end='evaluator') runs it on NumPy."
            )
    return graph


def wide_sums(graph: Graph) -> Graph:
    """Let totals of bfloat16 numbers run in float32 and be rounded once, as the evaluator does."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op not in SUMMING or node.tensor_type.dtype is not bfloat16:
            return node
        wide = tuple(
            _converted(each, float32) if each.tensor_type.dtype is bfloat16 else each
            for each in node.operands
        )
        total_type = TensorType(node.tensor_type.shape, float32)
        total = Node(node.op, wide, node.static, total_type, node.origin)
        return _converted(total, bfloat16)

    return rebuild(graph, rewrite)


def _converted(node: Node, dtype: DType) -> Node:
    result = TensorType(node.tensor_type.shape, dtype)
    return Node(convert, (node,), {"dtype": dtype}, result, node.origin)


def sums_by_rows(graph: Graph) -> Graph:
    """Sum what lies within a row before rows are summed.

    The first sums follow their rows, so that threads share them and each finds its numbers where
    the nest before has just left them; and their order does not depend on how many threads there
    are.
    """

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is not reduction.sum_ or not node.tensor_type.dtype.is_floating:
            return node
        axes, operand = node.static["axes"], node.operands[0]
        shape = operand.tensor_type.shape
        inner = math.prod(shape[axis] for axis in axes if axis != 0)
        if 0 not in axes or shape[0] < 2 or inner < LONG_ROW:
            return node
        kept = tuple(size for axis, size in enumerate(shape) if axis == 0 or axis not in axes)
        dtype = node.tensor_type.dtype
        static = {"axes": tuple(axis for axis in axes if axis != 0)}
        rows = Node(node.op, operands, static, TensorType(kept, dtype), node.origin)
        return Node(node.op, (rows,), {"axes": (0,)}, node.type, node.origin)

    return rebuild(graph, rewrite)


def thin_sums(graph: Graph) -> Graph:
    """Sum what fills no vector, such as a few channels of all places, several places at a time.

    (..., places, channels) is seen as (..., places / m, m * channels), summed over the first of
    these two, and then over the m.
    """

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is not reduction.sum_ or not node.tensor_type.dtype.is_floating:
            return node
        together = _summed_together(node)
        if together is None:
            return node
        (operand,) = node.operands
        *kept, last = (
            size
            for axis, size in enumerate(operand.tensor_type.shape)
            if axis not in node.static["axes"]
        )
        places = math.prod(operand.tensor_type.shape[axis] for axis in node.static["axes"])
        made = operand
        for op, static in (
            (movement.reshape, {"shape": (*kept, places // together, together * last)}),
            (reduction.sum_, {"axes": (len(kept),)}),
            (movement.reshape, {"shape": (*kept, together, last)}),
            (reduction.sum_, {"axes": (len(kept),)}),
        ):
            made = Node(op, (made,), static, op.infer(made.type, **static), node.origin)
        return made

    return rebuild(graph, rewrite)


def _summed_together(node: Node) -> int | None:
    """How many places `thin_sums` takes side by side; `None` where it leaves a sum as it is."""
    shape, axes = node.operands[0].tensor_type.shape, sorted(node.static["axes"])
    first = len(shape) - 1 - len(axes)
    if first < 0 or axes != list(range(first, len(shape) - 1)) or not 1 < shape[-1] < THIN:
        return None
    places = math.prod(shape[axis] for axis in axes)
    fitting = (n for n in range(2, places // 2 + 1) if places % n == 0)
    return next((each for each in fitting if each * shape[-1] >= WIDE), None)


def shared_batches(graph: Graph) -> Graph:
    """Let threads share the batch where a gradient of a kernel has too few rows to divide.

    Each part of the batch gives a gradient of its own, and these are summed: in the same order for
    any number of threads.
    """

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        parts = _batch_parts(node)
        if parts is None:
            return node
        left, right, output = parse_spec(node.static["spec"])
        letter = next(each for each in string.ascii_letters if each not in left + right)
        static = {"spec": f"{letter}{left},{letter}{right}->{letter}{output}"}
        values = [_in_parts(each, parts) for each in node.operands]
        shape = (parts, *node.tensor_type.shape)
        several = TensorType(shape, node.tensor_type.dtype)
        made = Node(node.op, tuple(values), static, several, node.origin)
        return Node(reduction.sum_, (made,), {"axes": (0,)}, node.type, node.origin)

    return rebuild(graph, rewrite)


def _batch_parts(node: Node) -> int | None:
    """Into how many parts the batch of a gradient of a kernel is cut; `None` if it is not."""
    if node.op is not contraction.contract:
        return None
    *terms, output = parse_spec(node.static["spec"])
    sides = [n for n, each in enumerate(node.operands) if each.op is windows.windows]
    if len(sides) != 1 or not node.tensor_type.dtype.is_floating:
        return None
    seen, own, other = node.operands[sides[0]], terms[sides[0]], terms[1 - sides[0]]
    letter = own[:1]
    rows = next((size for size in node.tensor_type.shape if size > 1), 1)
    if rows >= FEW_ROWS or 0 in seen.static["axes"] or letter in output or other[:1] != letter:
        return None
    batch = seen.tensor_type.shape[0]
    fitting = (
        each
        for each in (PARTS, PARTS // 2, PARTS // 4)
        if batch % each == 0 and batch > each and node.tensor_type.nbytes * each <= SMALL_RESULT
    )
    return next(fitting, None)


def _in_parts(node: Node, parts: int) -> Node:
    """A tensor, or windows of one, with the first axis cut in two."""
    if node.op is windows.windows:
        static = {**node.static, "axes": tuple(axis + 1 for axis in node.static["axes"])}
        operand = _in_parts(node.operands[0], parts)
        made = node.op.infer(operand.type, **static)
        return Node(node.op, (operand,), static, made, node.origin)
    first, *rest = node.tensor_type.shape
    shape = (parts, first // parts, *rest)
    result = TensorType(shape, node.tensor_type.dtype)
    return Node(movement.reshape, (node,), {"shape": shape}, result, node.origin)


def contiguous_vectors(graph: Graph) -> Graph:
    """Transpose the operands of contractions that could otherwise not be read in vectors."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is not contraction.contract or node.tensor_type.size == 0:
            return node
        letter = vector_letter(node, parse_spec(node.static["spec"])[2])
        if letter is None:
            return node
        for side in (0, 1):
            node = _with_contiguous(node, side, letter)
        return node

    return rebuild(graph, rewrite)


def _with_contiguous(node: Node, side: int, letter: str) -> Node:
    """A contraction, one operand of which has a letter as its last axis if it pays."""
    own = parse_spec(node.static["spec"])[side]
    if letter not in own or not wants_contiguous(node, side, letter):
        return node
    return _with_last(node, side, letter)


def _with_last(node: Node, side: int, letter: str) -> Node:
    """A contraction, one operand of which is transposed: a letter is its last axis."""
    *terms, output = parse_spec(node.static["spec"])
    values, own = list(node.operands), terms[side]
    order = tuple(n for n, each in enumerate(own) if each != letter)
    order = (*order, own.index(letter))
    values[side] = _transposed(values[side], order)
    terms[side] = "".join(own[n] for n in order)
    spec = f"{terms[0]},{terms[1]}->{output}"
    return Node(node.op, tuple(values), {"spec": spec}, node.type, node.origin)


def wants_contiguous(node: Node, side: int, letter: str) -> bool:
    """Whether an operand of a contraction is read in vectors along a letter, but lies otherwise."""
    *terms, output = parse_spec(node.static["spec"])
    own, other = terms[side], terms[1 - side]
    if letter not in own or steps_of(node.operands[side])[own.index(letter)] == 1:
        return False
    if shows_windows(node.operands[side]):
        return False  # A copy in another order would hold every number many times.
    if letter in other:
        is_small = len(own) < len(other)
        return is_small and any(each not in output for each in own)
    return any(size > 1 for each, size in sizes_of(node).items() if each not in own)


CROWDED_BYTES = 1024
"""Neighbours in a column that lie a multiple of this apart share few sets of a cache."""
LEAST_TURNS = 256
"""A copy pays where at least so many numbers are summed, for at least so many columns or rows."""
LONG_COLUMN = 1024
"""Columns of so many numbers are turned into rows: each tile would read as many cache lines."""


def uncrowded(graph: Graph) -> Graph:
    """Copy the inputs that large contractions read down crowded or long columns.

    Results of nests get padding between their rows (see `layout.py`); an input lies as its owner
    has it. Where single numbers are read down a long column, the copy has rows instead.
    """
    copies: dict[int, Node] = {}
    turned: dict[tuple[int, tuple[int, ...]], Node] = {}

    def with_rows(node: Node, side: int) -> Node:
        """The contraction with an operand turned: what is summed lies in its rows."""
        terms = parse_spec(node.static["spec"])
        (summed,) = (each for each in terms[side] if each not in terms[-1])
        node, source = _with_last(node, side, summed), id(node.operands[side])
        values = list(node.operands)
        key = (source, values[side].static["axes"])
        values[side] = turned.setdefault(key, _copied(values[side]))
        return keep(node, tuple(values))

    def copy_of(node: Node) -> Node:
        if node.op is movement.transpose:
            return _transposed(copy_of(node.operands[0]), node.static["axes"])
        if id(node) not in copies:
            copies[id(node)] = _copied(node)
        return copies[id(node)]

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is not contraction.contract or not node.tensor_type.dtype.is_floating:
            return node
        for side in (0, 1):
            if _has_long_columns(node, side):
                node = with_rows(node, side)
        values = [
            copy_of(each) if _is_crowded(node, side) else each
            for side, each in enumerate(node.operands)
        ]
        return keep(node, tuple(values))

    return rebuild(graph, rewrite)


def _is_crowded(node: Node, side: int) -> bool:
    """Whether a large contraction reads an input of two axes down its columns, to sum them."""
    step = _column_step(node, side)
    return step is not None and step % CROWDED_BYTES == 0


def _has_long_columns(node: Node, side: int) -> bool:
    """Whether a contraction reads single numbers of an input down its long columns."""
    *terms, output = parse_spec(node.static["spec"])
    letter, step = vector_letter(node, output), _column_step(node, side)
    if letter is None or step is None or letter in terms[side]:
        return False
    (summed,) = (each for each in terms[side] if each not in output)
    return step > node.tensor_type.dtype.itemsize and sizes_of(node)[summed] >= LONG_COLUMN


def _column_step(node: Node, side: int) -> int | None:
    """How many bytes lie between what a large contraction sums of an input with two axes.

    `None` for other operands, small sums, and what a copy of will be read in vectors.
    """
    *terms, output = parse_spec(node.static["spec"])
    own, other, operand = terms[side], terms[1 - side], node.operands[side]
    base = operand
    while base.op is movement.transpose:
        base = base.operands[0]
    if not base.is_input or len(own) != 2 or len(other) != 2:
        return None
    letter = vector_letter(node, output)
    if letter is None or wants_contiguous(node, side, letter):
        return None
    sizes = sizes_of(node)
    steps = dict(zip(own, steps_of(operand), strict=True))
    summed = [each for each in own if each not in output]
    free = [each for each in other if each in output and each not in own]
    if not len(summed) == len(free) == 1:
        return None
    if min(sizes[summed[0]], sizes[free[0]]) < LEAST_TURNS:
        return None
    return steps[summed[0]] * base.tensor_type.dtype.itemsize


def is_copy(node: Node) -> bool:
    """Whether a node is a transposition that leaves all axes where they are."""
    return node.op is movement.transpose and node.static["axes"] == tuple(
        range(node.tensor_type.ndim)
    )


def _copied(node: Node) -> Node:
    """The same numbers in a buffer of their own (see `is_copy`)."""
    return _transposed(node, tuple(range(node.tensor_type.ndim)))


def _transposed(node: Node, order: tuple[int, ...]) -> Node:
    shape = tuple(node.tensor_type.shape[n] for n in order)
    result = TensorType(shape, node.tensor_type.dtype)
    return Node(movement.transpose, (node,), {"axes": order}, result, node.origin)


def sizes_of(node: Node) -> dict[str, int]:
    """The size of each letter of a contraction."""
    left, right, _ = parse_spec(node.static["spec"])
    shapes = [each.tensor_type.shape for each in node.operands]
    return dict(zip(left + right, shapes[0] + shapes[1], strict=True))


def vector_letter(node: Node, output: str) -> str | None:
    """The last axis of the result that is longer than one."""
    wide = [each for each, size in zip(output, node.tensor_type.shape, strict=True) if size > 1]
    return wide[-1] if wide else None


VIEWS = (movement.transpose, movement.slice_, windows.windows)
"""Ways to see a buffer at other places, at no cost."""


def is_view(node: Node) -> bool:
    """Whether a node is a way to see a buffer at other places."""
    return node.op in VIEWS or _cuts_first_axis(node) or _drops_first_axis(node)


def _cuts_first_axis(node: Node) -> bool:
    """Whether a reshape makes two axes of the first one, and leaves the others."""
    if node.op is not movement.reshape:
        return False
    inner, shape = node.operands[0].tensor_type.shape, node.tensor_type.shape
    return len(shape) == len(inner) + 1 and shape[2:] == inner[1:] and 0 not in shape


def _drops_first_axis(node: Node) -> bool:
    """Whether a reshape leaves out a first axis of one number."""
    inner = node.operands[0].tensor_type.shape if node.operands else ()
    return node.op is movement.reshape and inner == (1, *node.tensor_type.shape)


def shows_windows(node: Node) -> bool:
    """Whether a node is a view of windows, perhaps transposed or cut."""
    while is_view(node):
        if node.op is windows.windows:
            return True
        node = node.operands[0]
    return False


def steps_of(node: Node) -> tuple[int, ...]:
    """How far apart neighbours lie in memory, seen through views that are not stored."""
    if not is_view(node):
        return row_major(node.tensor_type.shape)
    inner = steps_of(node.operands[0])
    if _drops_first_axis(node):
        return inner[1:]
    if node.op is movement.reshape:
        return (inner[0] * node.tensor_type.shape[1], *inner)
    if node.op is movement.transpose:
        return tuple(inner[axis] for axis in node.static["axes"])
    if node.op is movement.slice_:
        return tuple(each * by for each, by in zip(inner, node.static["step"], strict=True))
    axes = node.static["axes"]
    lead = list(inner)
    for axis, step in zip(axes, node.static["steps"], strict=True):
        lead[axis] *= step
    offsets = zip(axes, node.static["dilations"], strict=True)
    return (*lead, *(inner[axis] * dilation for axis, dilation in offsets))
