"""steepest trains deep neural networks.

    import steepest as st
    from steepest import nn, optim
    from steepest.array import fft, linalg

`Tensor` and the functions on it follow the Python array API standard 2024.12. `grad`, `vjp`, `jvp`
and `tensor.backward()` differentiate; `compile` makes one program of a whole training step;
`Trainer` runs it over data.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from steepest.array import random
from steepest.array.creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from steepest.array.dtypes import can_cast, finfo, iinfo, isdtype, result_type
from steepest.array.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    astype,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    real,
    reciprocal,
    remainder,
    round,
    rsqrt,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from steepest.array.indexing import scatter_add, take, take_along_axis
from steepest.array.inspection import __array_namespace_info__
from steepest.array.manipulation import (
    broadcast_arrays,
    broadcast_to,
    concat,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    squeeze,
    stack,
    tile,
    unstack,
)
from steepest.array.products import einsum, matmul, tensordot, vecdot
from steepest.array.reductions import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    diff,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from steepest.array.sorting import (
    argsort,
    isin,
    nonzero,
    searchsorted,
    sort,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from steepest.array.tensor import Tensor
from steepest.autodiff.check import check_gradients
from steepest.autodiff.custom import checkpoint, custom_gradient
from steepest.autodiff.modes import enable_grad, is_grad_enabled, no_grad
from steepest.autodiff.transforms import grad, jvp, value_and_grad, vjp
from steepest.compile import compile
from steepest.graph.dtypes import (
    DType,
    bfloat16,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from steepest.graph.dtypes import bool_ as bool

if TYPE_CHECKING:
    from steepest import nn, optim
    from steepest.array import fft, linalg
    from steepest.train import History, Trainer

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

e = 2.718281828459045
pi = 3.141592653589793
inf = float("inf")
nan = float("nan")
newaxis = None

_LATER = {
    "Trainer": ("steepest.train", "Trainer"),
    "History": ("steepest.train", "History"),
    "save": ("steepest.train", "save"),
    "load": ("steepest.train", "load"),
    "linalg": ("steepest.array.linalg", None),
    "fft": ("steepest.array.fft", None),
    "nn": ("steepest.nn", None),
    "optim": ("steepest.optim", None),
}


def __getattr__(name: str) -> Any:
    """Import what is not needed by everyone when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module 'steepest' has no attribute {name!r}")
    module_name, attribute = _LATER[name]
    module = importlib.import_module(module_name)
    return module if attribute is None else getattr(module, attribute)
