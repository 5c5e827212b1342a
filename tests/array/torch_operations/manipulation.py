"""Functions that rearrange numbers."""

from __future__ import annotations

from typing import Any

import steepest as st
from steepest import Tensor
from torch_operations.offered import NO_AXES, NotOfferedError


def _cat(tensors: Any, dim: int = 0) -> Tensor:
    if len({each.ndim for each in tensors}) > 1:
        raise NotOfferedError("PyTorch's cat leaves out empty tensors of one axis")
    return st.concat(tensors, axis=dim)


def _permute(input: Tensor, dims: Any) -> Tensor:
    return st.permute_dims(input, dims)


def _transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    if input.ndim == 0:
        raise NotOfferedError(NO_AXES)
    return input.transpose(dim0, dim1)


def _squeeze(input: Tensor, dim: Any = None) -> Tensor:
    axes = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    if input.ndim == 0 and len(list(axes)):
        raise NotOfferedError(NO_AXES)
    return st.squeeze(input, axis=tuple(axis for axis in axes if input.shape[axis] == 1))


def _roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    if dims == ():
        dims = None
    if isinstance(shifts, tuple) and len(shifts) == 1 and dims is None:
        shifts = shifts[0]
    return st.roll(input, shifts, axis=dims)


def _repeat(input: Tensor, repeats: Any) -> Tensor:
    if len(repeats) < input.ndim:
        raise NotOfferedError("fewer repetitions than axes")
    return st.tile(input, repeats)


def _repeat_interleave(
    input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    return st.repeat(input, repeats, axis=dim)


def _expand(input: Tensor, shape: Any) -> Tensor:
    lead = len(shape) - input.ndim
    sizes = [input.shape[n - lead] if size == -1 else size for n, size in enumerate(shape)]
    return st.broadcast_to(input, sizes)


def _pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    if mode != "constant":
        raise NotOfferedError(f"pad mode {mode!r}")
    if min(pad) < 0:
        raise NotOfferedError("negative padding")
    pairs = [tuple(pad[n : n + 2]) for n in range(0, len(pad), 2)]
    pairs += [(0, 0)] * (input.ndim - len(pairs))
    return st.pad(input, pairs[::-1], value or 0)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return st.linalg.diagonal(st.moveaxis(input, (dim1, dim2), (-2, -1)), offset=offset)


def _meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    grids = tensors[0] if isinstance(tensors[0], list) else tensors
    if any(each.ndim == 0 for each in grids):
        raise NotOfferedError(NO_AXES)
    return st.meshgrid(*grids, indexing=indexing)


def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    first = int(start) % max(input.shape[dim], 1) if int(start) < 0 else int(start)
    return input[_on_axis(input, dim, slice(first, first + length))]


def _on_axis(input: Tensor, dim: int, part: Any) -> Any:
    if input.ndim == 0:
        raise NotOfferedError(NO_AXES)
    return (*[slice(None)] * (dim % input.ndim), part)


def _slice(
    input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    return input[_on_axis(input, dim, slice(start, end, step))]


def _unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    if input.ndim == 0:
        raise NotOfferedError(NO_AXES)
    axis = dim % input.ndim
    return st.reshape(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))


def _tile(input: Tensor, dims: Any) -> Tensor:
    return st.tile(input, dims)


MANIPULATION = {
    "broadcast_to": st.broadcast_to,
    "broadcast_tensors": st.broadcast_arrays,
    "expand": _expand,
    "expand_as": lambda input, other: st.broadcast_to(input, other.shape),
    "reshape": st.reshape,
    "reshape_as": lambda input, other: st.reshape(input, other.shape),
    "view": st.reshape,
    "view_as": lambda input, other: st.reshape(input, other.shape),
    "ravel": lambda input: st.reshape(input, (-1,)),
    "flatten": lambda input, start_dim=0, end_dim=-1: input.flatten(start_dim, end_dim),
    "unflatten": _unflatten,
    "permute": _permute,
    "transpose": _transpose,
    "movedim": lambda input, source, destination: st.moveaxis(input, source, destination),
    "mT": st.matrix_transpose,
    "squeeze": _squeeze,
    "unsqueeze": lambda input, dim: st.expand_dims(input, axis=dim),
    "cat": _cat,
    "stack": lambda tensors, dim=0: st.stack(tensors, axis=dim),
    "unbind": lambda input, dim=0: st.unstack(input, axis=dim),
    "flip": lambda input, dims: st.flip(input, axis=tuple(dims)),
    "fliplr": lambda input: st.flip(input, axis=1),
    "flipud": lambda input: st.flip(input, axis=0),
    "roll": _roll,
    "tile": _tile,
    "repeat": _repeat,
    "repeat_interleave": _repeat_interleave,
    "nn.functional.pad": _pad,
    "constant_pad_nd": lambda input, pad, value=0: _pad(input, pad, value=value),
    "tril": lambda input, diagonal=0: st.tril(input, k=diagonal),
    "triu": lambda input, diagonal=0: st.triu(input, k=diagonal),
    "diagonal": diagonal,
    "meshgrid": _meshgrid,
    "narrow": _narrow,
    "select": lambda input, dim, index: input[_on_axis(input, dim, index)],
    "slice": _slice,
}
