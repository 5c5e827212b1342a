"""What is done with images between convolutions: where they are written, and who does the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from native.programs import traced_graph

import steepest as st
from steepest.codegen.segments import EVERYTHING, segments_of
from steepest.compile import Compiled
from steepest.kernels.affine import Affine, Variable, variable_index
from steepest.kernels.expression import Guarded, Number
from steepest.kernels.grouping import Group
from steepest.kernels.nest import MapNest
from steepest.kernels.storage import LARGE
from steepest.kernels.tuning import FINEST
from steepest.nn import functional
from steepest.runtime.executable import NativeExecutable

NARROW = ((16, 16, 32, 32), (16, 16, 3, 3), (16, 16, 3, 3), (16,), (16,))
"""Shapes of an image, of two kernels, and of a scale and a shift between them."""


def groups_of(function: Callable[..., Any], *shapes: tuple[int, ...]) -> list[Group]:
    """The groups of nests of a function of tensors of such shapes."""
    graph = traced_graph(function, *(st.zeros(shape) for shape in shapes))
    return NativeExecutable(graph).schedule().groups


def block(x: st.Tensor, *parameters: st.Tensor) -> st.Tensor:
    """What a residual block adds to an image, and the image."""
    first, second, scale, shift = parameters
    y = functional.relu(functional.conv2d(x, first, None, 1, 1))
    z = functional.batch_norm(
        functional.conv2d(y, second, None, 1, 1), None, None, scale, shift, True
    )
    return functional.relu(z) + y


def loss(*operands: st.Tensor) -> st.Tensor:
    return st.sum(st.square(functional.conv2d(block(*operands), operands[1], None, 1, 1)))


def step(*operands: st.Tensor) -> tuple[st.Tensor, ...]:
    return loss(*operands), *st.grad(loss, tuple(range(len(operands))))(*operands)


def torch_step(operands: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same in PyTorch, in float64."""
    x, first, second, scale, shift = (
        torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in operands
    )
    conv2d = torch.nn.functional.conv2d
    y = torch.relu(conv2d(x, first, padding=1))
    z = torch.nn.functional.batch_norm(conv2d(y, second, padding=1), None, None, scale, shift, True)
    total = (conv2d(torch.relu(z) + y, first, padding=1) ** 2).sum()
    gradients = torch.autograd.grad(total, (x, first, second, scale, shift))
    return [each.detach().numpy() for each in (total, *gradients)]


def test_a_residual_block_has_the_numbers_of_pytorch_on_any_number_of_threads() -> None:
    random = np.random.default_rng(0)
    operands = [random.standard_normal(shape).astype("float32") * 0.2 for shape in NARROW]
    wanted = torch_step(operands)
    found = [
        Compiled(step, lambda graph, n=n, o=options: NativeExecutable(graph, n, **o))(*operands)
        for n, options in ((1, {}), (2, {}), (3, {"tuning": FINEST}), (8, {}))
    ]
    for ours, theirs in zip(found[0], wanted, strict=True):
        np.testing.assert_allclose(
            np.asarray(ours), theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max()
        )
    for others in found[1:]:
        for ours, again in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(again))


def test_an_image_that_is_padded_is_written_into_its_frame_only() -> None:
    """No map writes an image of the network without a frame, but for the result."""
    nests = [nest for group in groups_of(block, *NARROW) for nest in group.nests]
    maps = [nest for nest in nests if isinstance(nest, MapNest)]
    images = [each.node.tensor_type.shape for each in maps if each.node.tensor_type.size >= LARGE]
    assert sorted(images) == [(16, 16, 32, 32), (16, 34, 34, 16), (16, 34, 34, 16)]


def test_padding_passes_over_an_image_with_the_convolution_that_reads_it() -> None:
    """No meeting between them, but for the first, which waits for a kernel to be turned."""
    shapes = [
        [nest.written()[0].tensor_type.shape for nest in group.nests]
        for group in groups_of(block, *NARROW)
    ]
    first, second = (each for each in shapes if (16, 34, 34, 16) in each)
    assert (16, 32, 32, 16) not in first
    assert second[:3] == [(16, 32, 32, 16), (16, 34, 34, 16), (16, 32, 32, 16)]


@pytest.mark.parametrize(("rows", "copies"), [(LARGE // 64, 0), (LARGE // 64 - 1, 1)])
def test_a_large_value_is_computed_again_by_its_users(rows: int, copies: int) -> None:
    def both(x: st.Tensor, scale: st.Tensor) -> tuple[st.Tensor, st.Tensor]:
        shared = st.maximum((x - 1.0) * scale + 2.0, 0.0) * 0.5
        return st.sum(shared), st.sum(shared * x)

    groups = groups_of(both, (rows, 64), (64,))
    maps = [nest for group in groups for nest in group.nests if isinstance(nest, MapNest)]
    assert sum(nest.node.tensor_type.size == rows * 64 for nest in maps) == copies


def test_zeros_are_put_between_numbers_by_all_threads() -> None:
    def spread(x: st.Tensor) -> st.Tensor:
        return st.grad(lambda x: st.sum(st.square(x[:, ::2, ::2])))(x)

    writers = [
        group
        for group in groups_of(spread, (64, 32, 32, 16))
        if group.nests[0].node.tensor_type.shape == (64, 32, 32, 16)
    ]
    assert [(group.rows, group.is_serial) for group in writers] == [(64, False)]


def test_loops_are_split_where_windows_reach_over_the_border() -> None:
    """Windows of 3, a step of 2, over 8 numbers with a border of 1: the first is cut off."""
    place, offset = Variable(4), Variable(3)
    reached = variable_index(place) * 2 + variable_index(offset) + -1
    value = Guarded(st.float32, ((reached, 0, 8),), Number(st.float32, 1))
    segments = segments_of([place], [value], [offset])
    assert [each.bounds[place] for each in segments] == [(0, 1), (1, 4)]
    inside = [
        [each.at({offset: n}).is_inside(reached, 0, 8) for n in range(3)] for each in segments
    ]
    assert inside == [[False, True, True], [True, True, True]]
    assert segments_of([place], [value]) == [EVERYTHING]
    assert EVERYTHING.is_inside(Affine(3), 0, 8)
