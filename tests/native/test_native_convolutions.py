"""Convolutions in machine code: numbers against PyTorch, and what their loops do not do."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import steepest as st
from steepest.compile import Compiled
from steepest.kernels.nest import ContractNest, MapNest, ReduceNest
from steepest.kernels.tuning import FINEST
from steepest.nn import functional
from steepest.options import options
from steepest.runtime.executable import NativeExecutable

CASES: list[tuple[int, ...]] = [
    # batch, channels in and out, size, kernel, stride, padding, groups
    (2, 1, 8, 9, 3, 1, 1, 1),
    (3, 5, 18, 9, 3, 1, 1, 1),
    (3, 16, 33, 7, 3, 2, 1, 1),
    (4, 20, 20, 6, 3, 1, 1, 20),
    (4, 20, 40, 6, 3, 2, 1, 20),
    (5, 12, 8, 5, 1, 1, 0, 1),
    (2, 8, 12, 8, 3, 2, 0, 4),
    (2, 3, 5, 8, 5, 1, 2, 1),
    (9, 64, 70, 2, 3, 1, 1, 1),
    (3, 24, 40, 7, 3, 1, 1, 1),
    (6, 40, 32, 4, 3, 1, 2, 1),
    (2, 3, 1, 8, 3, 1, 1, 1),
    (2, 4, 6, 8, 1, 2, 0, 1),
    (2, 4, 6, 9, 2, 3, 1, 1),
    (16, 3, 6, 12, 3, 1, 1, 1),
    (1, 1, 1, 8, 4, 2, 1, 1),
    (3, 1, 1, 9, 3, 2, 0, 1),
]


@pytest.fixture(name="by_windows")
def fixture_by_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No convolution goes by tiles."""
    chosen = dataclasses.replace(options(), winograd=False)
    monkeypatch.setattr(sys.modules["steepest.compile"], "options", lambda: chosen)


def native(function: Callable[..., Any], threads: int = 1, **options: Any) -> Any:
    """A function compiled for so many threads."""
    return Compiled(function, lambda graph: NativeExecutable(graph, threads, **options))


def step(stride: int, padding: int, groups: int) -> Callable[..., Any]:
    """Output, and gradients of input, weight and bias, of a convolution with ReLU and pooling."""

    def output(x: st.Tensor, weight: st.Tensor, bias: st.Tensor) -> st.Tensor:
        y = functional.relu(functional.conv2d(x, weight, bias, stride, padding, 1, groups))
        return functional.max_pool2d(y, 2) if y.shape[2] >= 2 else y

    def loss(*operands: st.Tensor) -> st.Tensor:
        return st.sum(st.tanh(output(*operands)))

    def both(*operands: st.Tensor) -> tuple[st.Tensor, ...]:
        return (output(*operands), *st.grad(loss, (0, 1, 2))(*operands))

    return both


def torch_step(operands: list[np.ndarray], stride: int, padding: int, groups: int) -> list[Any]:
    """The same in PyTorch, in float64."""
    tensors = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in operands]
    y = torch.relu(torch.nn.functional.conv2d(*tensors, stride, padding, 1, groups))
    if y.shape[2] >= 2:
        y = torch.nn.functional.max_pool2d(y, 2)
    torch.tanh(y).sum().backward()  # type: ignore[no-untyped-call]
    return [y.detach().numpy(), *(each.grad.numpy() for each in tensors)]  # type: ignore[union-attr]


def operands_of(case: tuple[int, ...]) -> list[np.ndarray]:
    n, inputs, outputs, size, kernel, _, _, groups = case
    random = np.random.default_rng(sum(case))
    shapes = [(n, inputs, size, size), (outputs, inputs // groups, kernel, kernel), (outputs,)]
    return [random.standard_normal(shape).astype("float32") for shape in shapes]


@pytest.mark.parametrize("by", ["windows", "tiles"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_numbers_are_those_of_pytorch_and_the_same_on_any_number_of_threads(
    case: tuple[int, ...], by: str, request: pytest.FixtureRequest
) -> None:
    if by == "windows":
        request.getfixturevalue("by_windows")
    operands = operands_of(case)
    function = step(*case[5:])
    found = [each.numpy() for each in native(function)(*map(st.asarray, operands))]
    for ours, theirs in zip(found, torch_step(operands, *case[5:]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())
    for threads in (2, 3, 8):
        again = native(function, threads, tuning=FINEST)(*map(st.asarray, operands))
        for ours, others in zip(found, again, strict=True):
            assert ours.tobytes() == others.numpy().tobytes()


@pytest.mark.parametrize("options", [(2, 1, 0), (2, 1, 1), (3, 0, 0), (1, 1, 0)])
def test_transposed_convolutions(options: tuple[int, int, int]) -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((2, 18, 5, 4)).astype("float32")
    weight = random.standard_normal((18, 7, 4, 3)).astype("float32")

    def output(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
        return functional.conv_transpose2d(x, weight, None, *options)

    found = native(output, 2)(st.asarray(x), st.asarray(weight)).numpy()
    theirs = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x), torch.from_numpy(weight), None, *options
    )
    np.testing.assert_allclose(found, theirs.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [(2, 1, 0), (2, 0, 1), (1, 2, 0), (4, 0, 0)])
@pytest.mark.parametrize("colours", [1, 3, 4])
def test_transposed_convolutions_into_few_channels(
    options: tuple[int, int, int], colours: int
) -> None:
    random = np.random.default_rng(6)
    x = random.standard_normal((3, 17, 5, 4)).astype("float32")
    weight = random.standard_normal((17, colours, 4, 4)).astype("float32")

    def step(x: st.Tensor, weight: st.Tensor) -> tuple[st.Tensor, ...]:
        def loss(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
            return st.sum(functional.conv_transpose2d(x, weight, None, *options) ** 2)

        output = functional.conv_transpose2d(x, weight, None, *options)
        return output, *st.grad(loss, argnums=(0, 1))(x, weight)

    theirs = [torch.from_numpy(each).requires_grad_() for each in (x, weight)]
    output = torch.nn.functional.conv_transpose2d(theirs[0], theirs[1], None, *options)
    output.square().sum().backward()
    expected = [output.detach(), *(each.grad for each in theirs)]
    found = native(step)(st.asarray(x), st.asarray(weight))
    for ours, other in zip(found, expected, strict=True):
        assert other is not None
        bound = 1e-5 * float(other.abs().max())
        np.testing.assert_allclose(ours.numpy(), other.numpy(), rtol=1e-4, atol=bound)
    for threads in (2, 3, 8):
        again = native(step, threads, tuning=FINEST)(st.asarray(x), st.asarray(weight))
        for ours, others in zip(found, again, strict=True):
            assert ours.numpy().tobytes() == others.numpy().tobytes()


def nests_of(function: Callable[..., Any], *shapes: tuple[int, ...]) -> list[Any]:
    """The nests of a function of zeros of some shapes."""
    made: list[NativeExecutable] = []

    def back_end(graph: Any) -> NativeExecutable:
        made.append(NativeExecutable(graph, 1))
        return made[-1]

    Compiled(function, back_end)(*(st.zeros(shape) for shape in shapes))
    return [nest for group in made[0].schedule().groups for nest in group.nests]


def convolution_step(stride: int) -> Callable[..., Any]:
    def loss(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
        return st.sum(functional.conv2d(x, weight, None, stride, 1) ** 2)

    return st.grad(loss, (0, 1))


SHAPES = ((4, 24, 12, 12), (32, 24, 3, 3))


def turns(nest: ContractNest) -> int:
    """The multiply-adds of a contraction."""
    return math.prod(each.extent for each in (*nest.loops, *nest.reduced))


@pytest.mark.usefixtures("by_windows")
def test_windows_are_never_copied() -> None:
    padded = 4 * 14 * 14 * 32
    for nest in nests_of(convolution_step(1), *SHAPES):
        assert all(node.tensor_type.size <= padded for node in nest.written())


@pytest.mark.usefixtures("by_windows")
def test_forward_and_both_gradients_are_contractions_with_channels_last() -> None:
    nests = [n for n in nests_of(convolution_step(1), *SHAPES) if isinstance(n, ContractNest)]
    shapes = [nest.node.tensor_type.shape for nest in nests]
    assert sorted(shapes) == [(4, 12, 12, 24), (4, 12, 12, 32), (24, 3, 3, 32)]
    assert all(nest.vector.place.step(nest.vector_loop) == 1 for nest in nests)


def test_a_strided_data_gradient_multiplies_no_zeros() -> None:
    nests = [n for n in nests_of(convolution_step(2), *SHAPES) if isinstance(n, ContractNest)]
    forward = 4 * 6 * 6 * 32 * 24 * 9
    data = [each for each in nests if each.node.tensor_type.shape == (4, 12, 12, 24)]
    assert len(data) == 4
    assert sum(map(turns, data)) == forward
    assert sum(map(turns, nests)) == 3 * forward


def test_layers_hand_on_the_order_of_axes() -> None:
    """Between two convolutions with ReLU and pooling nothing is put in another order."""

    def network(x: st.Tensor, first: st.Tensor, second: st.Tensor) -> st.Tensor:
        y = functional.max_pool2d(functional.relu(functional.conv2d(x, first, None, 1, 1)), 2)
        return st.sum(functional.relu(functional.conv2d(y, second, None, 1, 1)))

    nests = nests_of(network, (2, 3, 8, 8), (16, 3, 3, 3), (20, 16, 3, 3))
    images = [
        node.tensor_type.shape
        for nest in nests
        for node in nest.written()
        if node.tensor_type.ndim == 4 and node.tensor_type.shape[0] == 2
    ]
    assert {shape[-1] for shape in images} == {3, 16, 20}


def test_a_depthwise_convolution_is_a_contraction_in_vectors() -> None:
    def output(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
        return functional.conv2d(x, weight, None, 1, 1, 1, 24)

    nests = nests_of(output, (2, 24, 6, 6), (24, 1, 3, 3))
    assert not any(isinstance(nest, ReduceNest) for nest in nests)
    (contraction,) = [nest for nest in nests if isinstance(nest, ContractNest)]
    steps = [load.place.step(contraction.vector_loop) for load in contraction.reads()]
    assert steps == [1, 1]


def test_the_gradient_of_a_kernel_with_few_rows_is_shared_by_the_batch() -> None:
    nests = nests_of(convolution_step(1), (16, 3, 12, 12), (24, 3, 3, 3))
    rows = {n.node.tensor_type.shape: n.rows for n in nests if isinstance(n, ContractNest)}
    assert rows[8, 3, 3, 3, 24] == 8


def test_pooling_without_overlap_hands_back_its_gradient_in_one_pass() -> None:
    def loss(x: st.Tensor) -> st.Tensor:
        return st.sum(functional.max_pool2d(x, 2) ** 2)

    shape = (4, 24, 12, 12)
    writers = [
        n for n in nests_of(st.grad(loss), shape) if n.written()[0].tensor_type.size == 13824
    ]
    assert [type(each) for each in writers] == [MapNest]
    assert len(writers[0].stores) == 4


@pytest.mark.parametrize("options", [(3, 2, 1), (3, 1, 0), (2, 3, 0), (3, 3, 1), (2, 2, 1)])
def test_pooling_and_its_gradient(options: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((3, 6, 11, 8)).astype("float32")

    def output(x: st.Tensor) -> st.Tensor:
        return functional.max_pool2d(x, *options)

    def both(x: st.Tensor) -> tuple[st.Tensor, st.Tensor]:
        return output(x), st.grad(lambda x: st.sum(output(x) ** 2))(x)

    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.max_pool2d(tensor, *options)
    (theirs**2).sum().backward()  # type: ignore[no-untyped-call]
    for found in (native(both)(x), native(both, 3, tuning=FINEST)(x)):
        np.testing.assert_array_equal(np.asarray(found[0]), theirs.detach().numpy())
        np.testing.assert_allclose(np.asarray(found[1]), tensor.grad.numpy(), rtol=1e-6)  # type: ignore[union-attr]


def test_sums_over_places_of_few_channels_fill_vectors() -> None:
    x = np.random.default_rng(0).standard_normal((5, 12, 10, 3)).astype("float32")

    def total(x: st.Tensor) -> st.Tensor:
        return st.sum(x, axis=(1, 2))

    np.testing.assert_allclose(np.asarray(native(total)(x)), x.sum((1, 2)), rtol=1e-5, atol=1e-5)
    sums = [nest.loops[-1].extent for nest in nests_of(total, x.shape)]
    assert sums[0] >= 48


@pytest.mark.usefixtures("by_windows")
def test_long_sums_go_by_parts_that_stay_in_cache() -> None:
    def gradient(x: st.Tensor, output_grad: st.Tensor, weight: st.Tensor) -> st.Tensor:
        def loss(weight: st.Tensor) -> st.Tensor:
            return st.sum(functional.conv2d(x, weight, None, 1, 1) * output_grad)

        return st.grad(loss)(weight)

    nests = nests_of(gradient, (64, 16, 20, 20), (64, 32, 20, 20), (32, 16, 3, 3))
    (contraction,) = [nest for nest in nests if isinstance(nest, ContractNest)]
    assert [each.extent for each in contraction.spread] == [64]


def test_very_long_sums_over_large_operands_go_by_parts_of_a_loop() -> None:
    random = np.random.default_rng(0)
    x, y = (random.standard_normal(each).astype("float32") for each in ((20, 4096), (4096, 70)))
    function = native(lambda x, y: x @ y)
    np.testing.assert_allclose(np.asarray(function(x, y)), x @ y, rtol=1e-3, atol=1e-3)
    (contraction,) = nests_of(lambda x, y: x @ y, x.shape, y.shape)
    assert [each.extent for each in contraction.spread] == [8]
    assert [each.extent for each in contraction.reduced] == [8, 512]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((40, 21, 9), (1, 2, 0)),
        ((33, 7, 5), (2, 1, 0)),
        ((3, 35, 17), (0, 2, 1)),
        ((16, 4), (1, 0)),
    ],
)
@pytest.mark.parametrize("flipped", [(), (0,), (1,)])
def test_copies_that_turn_axes(
    shape: tuple[int, ...], axes: tuple[int, ...], flipped: tuple[int, ...]
) -> None:
    array = np.arange(math.prod(shape), dtype="float32").reshape(shape)

    def turn(x: st.Tensor) -> st.Tensor:
        return st.permute_dims(st.flip(x, axis=flipped) if flipped else x, axes)

    expected = (np.flip(array, flipped) if flipped else array).transpose(axes)
    for threads, chosen in ((1, {}), (3, {"tuning": FINEST})):
        found = native(turn, threads, **chosen)(st.asarray(array)).numpy()
        np.testing.assert_array_equal(found, expected)


def test_elementwise_work_on_small_last_axes_is_one_loop() -> None:
    from steepest.kernels.merging import with_merged_loops

    (nest,) = nests_of(lambda x, y: x * y + 1.0, (8, 5, 3, 3), (8, 5, 3, 3))
    assert isinstance(nest, MapNest)
    assert [each.extent for each in with_merged_loops(nest).loops] == [8, 45]
