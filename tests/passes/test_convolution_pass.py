"""The data gradient of a convolution as a dense contraction, against the fold that it replaces."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from evaluated import compiled
from hypothesis import given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.text import from_text, to_text
from steepest.graph.types import TensorType
from steepest.graph.verify import verify
from steepest.ops import REGISTRY
from steepest.passes import PASSES
from steepest.passes.convolution import dense_data_gradients

F = nn.functional


def parse(text: str) -> Graph:
    return verify(from_text(textwrap.dedent(text), REGISTRY), after="writing the test")


def names(graph: Graph) -> set[str]:
    return {node.op.name for node in graph.nodes() if node.op is not None}


def check_numbers(before: Graph, after: Graph) -> None:
    """Both graphs give the same numbers, up to the order of sums."""
    random = np.random.default_rng(0)
    arrays = [random.normal(size=node.tensor_type.shape) for node in before.inputs]
    arrays = [
        each.astype(node.tensor_type.dtype.storage)
        for each, node in zip(arrays, before.inputs, strict=True)
    ]
    expected = evaluate(before, arrays)
    for left, right in zip(evaluate(after, arrays), expected, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-12)


def test_data_gradient_becomes_a_convolution() -> None:
    before = parse("""
        graph f(%0 grad: float64[2, 3, 4], %1 weight: float64[3, 5, 3]) {
          %2 = contract(%0, %1, spec='nox,ocu->ncxu') : float64[2, 5, 4, 3]
          %3 = fold(%2, axes=(2,), dilations=(1,), lengths=(10,), steps=(2,)) : float64[2, 5, 10]
          return %3
        }
    """)
    after = verify(dense_data_gradients(before), after="dense_data_gradients")
    assert to_text(after) == textwrap.dedent("""
        graph f(%0 grad: float64[2, 3, 4], %1 weight: float64[3, 5, 3]) {
          %2 = pad(%0, low=(0, 0, 2), high=(0, 0, 3), interior=(0, 0, 1)) : float64[2, 3, 12]
          %3 = windows(%2, axes=(2,), sizes=(3,), steps=(1,), dilations=(1,)) : float64[2, 3, 10, 3]
          %4 = flip(%1, axes=(2,)) : float64[3, 5, 3]
          %5 = contract(%3, %4, spec='noxu,ocu->ncx') : float64[2, 5, 10]
          return %5
        }
    """).lstrip("\n")
    check_numbers(before, after)


def test_only_what_is_kept_is_computed() -> None:
    """The gradient of padding cuts off the border; here that leaves no padding at all."""
    before = parse("""
        graph f(%0 grad: float64[2, 3, 6], %1 weight: float64[3, 5, 3]) {
          %2 = contract(%1, %0, spec='ocu,nox->ncxu') : float64[2, 5, 6, 3]
          %3 = fold(%2, axes=(2,), dilations=(1,), lengths=(8,), steps=(1,)) : float64[2, 5, 8]
          %4 = slice(%3, start=(0, 0, 2), step=(1, 1, 1), stop=(2, 5, 6)) : float64[2, 5, 4]
          return %4
        }
    """)
    after = verify(dense_data_gradients(before), after="dense_data_gradients")
    assert to_text(after) == textwrap.dedent("""
        graph f(%0 grad: float64[2, 3, 6], %1 weight: float64[3, 5, 3]) {
          %2 = windows(%0, axes=(2,), sizes=(3,), steps=(1,), dilations=(1,)) : float64[2, 3, 4, 3]
          %3 = flip(%1, axes=(2,)) : float64[3, 5, 3]
          %4 = contract(%2, %3, spec='noxu,ocu->ncx') : float64[2, 5, 4]
          return %4
        }
    """).lstrip("\n")
    check_numbers(before, after)


@pytest.mark.parametrize(
    "text",
    [
        # Windows that do not overlap: the fold puts numbers beside each other, and adds none.
        """
        graph f(%0 grad: float64[3, 4], %1 weight: float64[3, 2]) {
          %2 = contract(%0, %1, spec='ox,ou->xu') : float64[4, 2]
          %3 = fold(%2, axes=(0,), dilations=(1,), lengths=(8,), steps=(2,)) : float64[8]
          return %3
        }
        """,
        # Positions and offsets of one operand: no convolution.
        """
        graph f(%0 spread: float64[3, 4, 2], %1 weight: float64[3, 5]) {
          %2 = contract(%0, %1, spec='oxu,oc->cxu') : float64[5, 4, 2]
          %3 = fold(%2, axes=(1,), dilations=(1,), lengths=(5,), steps=(1,)) : float64[5, 5]
          return %3
        }
        """,
        # A weight for each position.
        """
        graph f(%0 grad: float64[3, 4], %1 weight: float64[3, 4, 2]) {
          %2 = contract(%0, %1, spec='ox,oxu->xu') : float64[4, 2]
          %3 = fold(%2, axes=(0,), dilations=(1,), lengths=(5,), steps=(1,)) : float64[5]
          return %3
        }
        """,
        # Nothing to multiply, and no contraction.
        """
        graph f(%0 grad: float64[0, 4], %1 weight: float64[2], %2 seen: float64[4, 2]) {
          %3 = contract(%0, %1, spec='nx,u->nxu') : float64[0, 4, 2]
          %4 = fold(%3, axes=(1,), dilations=(1,), lengths=(5,), steps=(1,)) : float64[0, 5]
          %5 = fold(%2, axes=(0,), dilations=(1,), lengths=(5,), steps=(1,)) : float64[5]
          return %4, %5
        }
        """,
    ],
)
def test_other_folds_stay(text: str) -> None:
    graph = parse(text)
    assert to_text(dense_data_gradients(graph)) == to_text(graph)


SMALL = hs.integers(1, 3)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=hs.data(), dims=hs.integers(1, 3))
def test_random_folds(data: hs.DataObject, dims: int) -> None:
    """Any order of axes, any options, sliced or not."""
    draw = data.draw
    sizes, steps, dilations, positions = (
        tuple(draw(hs.integers(1, most)) for _ in range(dims)) for most in (3, 3, 3, 4)
    )
    more = tuple(draw(hs.integers(0, step - 1)) for step in steps)
    lengths = tuple(
        (count - 1) * step + dilation * (size - 1) + 1 + extra
        for count, step, dilation, size, extra in zip(
            positions, steps, dilations, sizes, more, strict=True
        )
    )
    counts = dict(zip("xyz", positions, strict=False)) | dict(zip("uvw", sizes, strict=False))
    counts |= {letter: draw(SMALL) for letter in "ngoc"}
    places, offsets = "xyz"[:dims], "uvw"[:dims]
    left = "".join(draw(hs.permutations(f"ngo{places}")))
    right = "".join(draw(hs.permutations(f"goc{offsets}")))
    lead = "".join(draw(hs.permutations(f"ngc{places}")))
    order = sorted(range(dims), key=lambda n: lead.index(places[n]))
    output = lead + "".join(offsets[n] for n in order)
    operands = [
        make_input("data", TensorType(tuple(counts[each] for each in left), st.float64)),
        make_input("weight", TensorType(tuple(counts[each] for each in right), st.float64)),
    ]
    spread = apply("contract", *operands, spec=f"{left},{right}->{output}")
    node = apply(
        "fold",
        spread,
        axes=tuple(lead.index(places[n]) for n in order),
        lengths=tuple(lengths[n] for n in order),
        steps=tuple(steps[n] for n in order),
        dilations=tuple(dilations[n] for n in order),
    )
    if draw(hs.booleans()):
        node = sliced(node, lead, places, draw)
    before = Graph("random", tuple(operands), (node,))
    after = verify(dense_data_gradients(before), after="dense_data_gradients")
    overlap = any(
        dilation * (size - 1) >= step
        for size, step, dilation in zip(sizes, steps, dilations, strict=True)
    )
    assert ("fold" in names(after)) == (not overlap)
    check_numbers(before, after)


def apply(name: str, *operands: Node, **static: object) -> Node:
    result = REGISTRY[name].infer(*(each.type for each in operands), **static)
    return Node(REGISTRY[name], operands, static, result)


def sliced(node: Node, lead: str, places: str, draw: hs.DrawFn) -> Node:
    """A slice of the axes of places."""
    start, stop, step = [], [], []
    for letter, size in zip(lead, node.tensor_type.shape, strict=True):
        first = draw(hs.integers(0, size - 1)) if letter in places else 0
        start.append(first)
        stop.append(draw(hs.integers(first + 1, size)) if letter in places else size)
        step.append(draw(SMALL) if letter in places else 1)
    return apply("slice", node, start=tuple(start), stop=tuple(stop), step=tuple(step))


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"stride": 2, "padding": 1},
        {"stride": 2, "dilation": 2},
        {"groups": 2, "padding": 2},
        {"groups": 4, "stride": 2},
    ],
)
def test_compiled_layers_have_no_fold(options: dict[str, int]) -> None:
    """Gradients of convolutions and transposed ones, as differentiation writes them."""
    for layer in (nn.Conv2d, nn.ConvTranspose2d):
        own = layer(4, 4, 3, dtype="float64", **options)

        def loss(x: st.Tensor, own: nn.Module = own) -> st.Tensor:
            return st.sum(st.sin(own(x)))

        x = st.asarray(np.random.default_rng(1).normal(size=(2, 4, 7, 8)))
        gradient = compiled(st.grad(loss))
        expected = st.grad(loss)(x)
        np.testing.assert_allclose(gradient(x).numpy(), expected.numpy(), rtol=1e-11, atol=1e-11)
        stages = gradient.stages(x)
        assert "fold(" in stages["trace"]
        assert "fold(" not in stages["dense_data_gradients"]


def test_the_pass_is_one_of_the_passes() -> None:
    assert dense_data_gradients in PASSES


@pytest.mark.parametrize(
    ("dims", "kernel", "step", "features", "more"),
    [
        (1, 16, 4, 2, 0),
        (2, 4, 2, 3, 0),
        (2, 4, 1, 1, 0),
        (2, 6, 3, 4, 1),
        (2, 8, 4, 1, 2),
        (3, 4, 2, 3, 1),
    ],
)
def test_folds_into_few_features_become_sums_of_images(
    dims: int, kernel: int, step: int, features: int, more: int
) -> None:
    positions, offsets = "xyz"[:dims], "uvw"[:dims]
    lengths = tuple((3 - 1) * step + kernel + more for _ in range(dims))
    data = make_input("data", TensorType((2, 16, *[3] * dims), st.float64))
    weight = make_input("weight", TensorType((16, features, *[kernel] * dims), st.float64))
    spec = f"nc{positions},cf{offsets}->nf{positions}{offsets}"
    spread = make("contract", (data, weight), spec=spec)
    axes, ones = tuple(range(2, 2 + dims)), (1,) * dims
    whole = make(
        "fold", (spread,), axes=axes, lengths=lengths, steps=(step,) * dims, dilations=ones
    )
    cut = make(
        "slice",
        (whole,),
        start=(0, 0, *ones),
        stop=(2, features, *[length - 1 for length in lengths]),
        step=(1,) * (2 + dims),
    )
    before = verify(Graph("f", (data, weight), (cut,)), after="writing the test")
    after = verify(dense_data_gradients(before), after="dense_data_gradients")
    assert "fold" not in names(after)
    assert "windows" not in names(after)
    contraction = next(node for node in after.nodes() if node.op is REGISTRY["contract"])
    assert contraction.tensor_type.shape == (2, *[3] * dims, kernel**dims * features)
    check_numbers(before, after)


@pytest.mark.parametrize(
    ("channels", "features", "kernel", "step"),
    [(8, 3, 4, 2), (16, 5, 4, 2), (16, 3, 3, 2), (16, 1, 2, 2), (16, 1, 3, 1)],
)
def test_other_folds_stay_dense(channels: int, features: int, kernel: int, step: int) -> None:
    data = make_input("data", TensorType((2, channels, 3, 3), st.float64))
    weight = make_input("weight", TensorType((channels, features, kernel, kernel), st.float64))
    spread = make("contract", (data, weight), spec="ncxy,cfuv->nfxyuv")
    lengths = ((3 - 1) * step + kernel,) * 2
    whole = make(
        "fold", (spread,), axes=(2, 3), lengths=lengths, steps=(step,) * 2, dilations=(1, 1)
    )
    before = verify(Graph("f", (data, weight), (whole,)), after="writing the test")
    after = verify(dense_data_gradients(before), after="dense_data_gradients")
    assert "add" not in names(after)
    check_numbers(before, after)


def make(name: str, operands: tuple[Node, ...], **static: object) -> Node:
    primitive = REGISTRY[name]
    return Node(primitive, operands, static, primitive.infer(*(x.type for x in operands), **static))
