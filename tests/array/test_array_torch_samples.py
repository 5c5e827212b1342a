"""Every float64 and complex128 sample input that PyTorch ships for the operations steepest has.

Values and gradients are compared with PyTorch's. Operations that know integers only are tried on
int64 samples. How many samples ran, and why others did not, is kept in
`torch_sample_counts.json` and compared, so that nothing drops out unnoticed; `--renew` writes it
anew.
"""

from __future__ import annotations

import functools
import inspect
import json
import random
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_operations import TABLE
from torch_operations.offered import DTYPES, NotOfferedError

import steepest as st
from steepest.errors import ArgumentError, DTypeError, SteepestError, TraceError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

COUNTS_FILE = Path(__file__).parent / "torch_sample_counts.json"

PRECISION = {
    "nn.functional.hardsigmoid": (1e-7, "PyTorch multiplies the gradient with 1/6 in float32"),
}
"""The relative tolerance of operations where that of all others is too small, and why."""

REFUSED = {
    "nn.functional.batch_norm": "needs an input (n, channels, ...)",
    "nn.functional.gaussian_nll_loss": "must have the same shape",
    "linalg.inv": "Singular matrix",
}
"""Samples that steepest refuses on purpose, by what its message says."""

OTHER_GRADIENT = {
    "nextafter": "PyTorch passes the gradient on; steepest takes it for a step, like floor",
}
"""Operations of which only values are compared, and why."""

HERMITIAN = {
    "linalg.cholesky": "PyTorch's has more where the loss depends on phases of the diagonal"
}
"""Operations of Hermitian matrices of which only that part of a gradient is compared, and why."""

COMPLEX = ", complex128"
"""What stands behind the name of an operation in the counts of its complex samples."""

LEAST_SAMPLES = 9586
LEAST_GRADIENTS = 7941


def _operations():
    """Entries of PyTorch's database that steepest has, by name and variant."""
    known = {torch.float64, torch.int64}
    return {
        f"{info.name}/{info.variant_test_name}".rstrip("/"): (info, TABLE[info.name])
        for info in op_db
        if info.name in TABLE and info.dtypes & known
    }


OPERATIONS = _operations()
COMPLEX_OPERATIONS = [
    name for name, (info, _) in OPERATIONS.items() if torch.complex128 in info.dtypes
]


def _samples(info, dtype=None):
    """The samples of an operation, the same at every run, by default of float64 or int64."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    if dtype is None:
        dtype = torch.float64 if torch.float64 in info.dtypes else torch.int64
    requires_grad = info.supports_autograd and dtype != torch.int64
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(info.sample_inputs("cpu", dtype, requires_grad=requires_grad))


class Converter:
    """Turns PyTorch's arguments into steepest's, each tensor once."""

    def __init__(self, with_gradients):
        self.with_gradients = with_gradients
        self.leaves = []
        self._made = {}

    def __call__(self, value):
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, torch.Size):
            return tuple(value)
        if isinstance(value, list | tuple):
            return type(value)(self(each) for each in value)
        if isinstance(value, dict):
            return {name: self(each) for name, each in value.items()}
        if isinstance(value, torch.dtype):
            if value not in DTYPES:
                raise NotOfferedError(f"the data type {value}")
            return DTYPES[value]
        return value

    def _tensor(self, value):
        if id(value) not in self._made:
            if value.dtype not in DTYPES:
                raise NotOfferedError(f"the data type {value.dtype}")
            tensor = st.asarray(value.detach().resolve_conj().numpy().copy())
            if self.with_gradients and value.requires_grad:
                tensor.requires_grad = True
                self.leaves.append((value, tensor))
            self._made[id(value)] = tensor
        return self._made[id(value)]


def _flat(value):
    """The tensors and numbers of a result, in order."""
    if isinstance(value, list | tuple):
        return [leaf for each in value for leaf in _flat(each)]
    return [value]


def _compare(ours, theirs, what, relative):
    """Compare two tensors or numbers, shapes and data types included; NaN equals NaN."""
    if not isinstance(theirs, torch.Tensor):
        assert ours == theirs, what
        return
    assert isinstance(ours, st.Tensor), what
    assert ours.shape == tuple(theirs.shape), f"{what}: {ours.shape} against {theirs.shape}"
    assert ours.dtype is DTYPES[theirs.dtype], f"{what}: {ours.dtype} against {theirs.dtype}"
    if theirs.dtype == torch.bfloat16:
        theirs = theirs.float()
    expected = theirs.numpy(force=True)
    if not np.issubdtype(expected.dtype, np.inexact):
        np.testing.assert_array_equal(ours.numpy(), expected, err_msg=what)
        return
    if expected.dtype in (np.float32, np.complex64):
        relative = 1e-5
    np.testing.assert_allclose(
        ours.numpy(), expected, rtol=relative, atol=relative / 10, err_msg=what
    )


def _weighted_sum(outputs, backend):
    """One number that depends on every number of the floating outputs, on both parts of each."""
    total = 0.0
    for n, output in enumerate(outputs):
        random_numbers = np.random.default_rng(n)
        weights = random_numbers.uniform(0.5, 1.5, tuple(output.shape))
        is_complex = output.dtype.is_complex
        if is_complex:
            weights = weights + 1j * random_numbers.uniform(0.5, 1.5, tuple(output.shape))
        if backend is torch:
            product = (output * torch.from_numpy(np.asarray(weights)).to(output.dtype)).sum()
        else:
            product = (output * st.asarray(weights, dtype=output.dtype)).sum()
        total = total + (backend.real(product) if is_complex else product)
    return total


def _check_gradients(ours, theirs, leaves, what, relative, is_hermitian):
    """Compare the gradients of every input. Returns whether PyTorch has one."""
    pairs = [
        (mine, other)
        for mine, other in zip(ours, theirs, strict=True)
        if isinstance(other, torch.Tensor) and other.requires_grad
    ]
    if not pairs:
        return False
    expected = torch.autograd.grad(
        _weighted_sum([other for _, other in pairs], torch),
        [leaf for leaf, _ in leaves],
        allow_unused=True,
    )
    total = _weighted_sum([mine for mine, _ in pairs], st)
    if total.requires_grad:
        total.backward()
    for n, ((leaf, tensor), gradient) in enumerate(zip(leaves, expected, strict=True)):
        found = st.zeros_like(tensor) if tensor.grad is None else tensor.grad
        wanted = torch.zeros_like(leaf) if gradient is None else gradient
        if is_hermitian and wanted.is_complex():
            found, wanted = (found + st.conj(found.mT)) / 2, (wanted + wanted.mH) / 2
        _compare(found, wanted, f"{what}: gradient of operand {n}", relative)
    return True


def _run(name, info, function, sample, with_gradients=True):
    """Run one sample on both sides. Returns whether gradients were compared.

    Raises:
        NotOfferedError: steepest has not what the sample asks for.
    """
    convert = Converter(with_gradients)
    arguments = convert([sample.input, *sample.args])
    options = convert(sample.kwargs)
    try:
        inspect.signature(function).bind(*arguments, **options)
    except TypeError as error:
        raise NotOfferedError(f"arguments: {error}") from None
    try:
        ours = _flat(function(*arguments, **options))
    except DTypeError:
        if not _is_complex(arguments):
            raise
        raise NotOfferedError("complex numbers") from None
    except SteepestError as error:
        if REFUSED.get(info.name, str(error) + "?") not in str(error):
            raise
        raise NotOfferedError(f"refused on purpose: {REFUSED[info.name]}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = _flat(info(sample.input, *sample.args, **sample.kwargs))
    assert len(ours) == len(theirs)
    what = f"{name} of {[tuple(getattr(each, 'shape', ())) for each in arguments]} {options}"
    relative = PRECISION.get(name, (1e-9, ""))[0]
    for mine, other in zip(ours, theirs, strict=True):
        _compare(mine, other, what, relative)
    is_hermitian = info.name in HERMITIAN
    return with_gradients and _check_gradients(
        ours, theirs, convert.leaves, what, relative, is_hermitian
    )


def _is_complex(arguments):
    """Whether an argument is a complex tensor, or a list that holds one."""
    return any(
        isinstance(each, st.Tensor) and each.dtype.is_complex
        for argument in arguments
        for each in _flat(argument)
    )


@functools.cache
def _kept_counts():
    return json.loads(COUNTS_FILE.read_text()) if COUNTS_FILE.exists() else {}


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples(name, request):
    info, function = OPERATIONS[name]
    _check_samples(name, info, function, _samples(info), request)


@pytest.mark.parametrize("name", COMPLEX_OPERATIONS)
def test_complex_samples(name, request):
    info, function = OPERATIONS[name]
    samples = _samples(info, torch.complex128)
    _check_samples(name + COMPLEX, info, function, samples, request)


def _check_samples(name, info, function, samples, request):
    """Run all samples, and compare how many there were with the counts kept."""
    ran = gradients = 0
    skipped = Counter()
    for sample in samples:
        try:
            with_gradients = info.name not in OTHER_GRADIENT
            gradients += _run(name, info, function, sample, with_gradients)
            ran += 1
        except NotOfferedError as reason:
            skipped[str(reason)] += 1
    counts = {"ran": ran, "gradients": gradients, "skipped": dict(sorted(skipped.items()))}
    if request.config.getoption("--renew"):
        _kept_counts()[name] = counts
        text = json.dumps(dict(sorted(_kept_counts().items())), indent=1)
        COUNTS_FILE.write_text(text + "\n")
    assert counts == _kept_counts()[name]


def test_no_operation_is_lost():
    kept = _kept_counts()
    assert set(kept) == set(OPERATIONS) | {name + COMPLEX for name in COMPLEX_OPERATIONS}
    assert {name.split("/")[0] for name in OPERATIONS} >= set(TABLE)
    assert sum(each["ran"] for each in kept.values()) >= LEAST_SAMPLES
    assert sum(each["gradients"] for each in kept.values()) >= LEAST_GRADIENTS


COMPILED_SAMPLES = 4
"""How many samples of each operation are compiled: the first ones that steepest takes."""

EAGER_ONLY = {name for name in TABLE if name.startswith("fft.") and not name.endswith("shift")} | {
    "argwhere",
    "linalg.cholesky",
    "linalg.det",
    "linalg.eigvalsh",
    "linalg.inv",
    "linalg.matrix_rank",
    "linalg.pinv",
    "linalg.slogdet",
    "linalg.solve",
    "linalg.svdvals",
    "masked_select",
    "nonzero",
    "unique",
}
"""Operations that need the numbers, and so raise TraceError inside `steepest.compile`."""


NUMBERS_DECIDE = {
    "__getitem__": "boolean keys",
    "linalg.matrix_norm": "singular values",
    "linalg.matrix_power": "the inverse",
    "linalg.norm": "singular values",
    "linspace": "tensors as ends",
    "narrow": "a tensor as start",
    "nn.functional.one_hot": "the number of classes",
    "repeat_interleave": "a tensor of counts",
}
"""Operations of which some samples need numbers to know a shape: those are not compiled."""


OTHER_ORDER = {f"nn.functional.conv_transpose{dims}d" for dims in (1, 2, 3)}
"""Operations that a pass writes as another sum, so that the last bits may differ."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_compiled_equals_eager(name):
    info, function = OPERATIONS[name]
    compared = refused = 0
    for sample in _samples(info):
        convert = Converter(with_gradients=False)
        try:
            arguments = convert([sample.input, *sample.args])
            options = convert(sample.kwargs)
            inspect.signature(function).bind(*arguments, **options)
            call = functools.partial(function, *arguments, **options)
            expected = _flat(call())
        except (NotOfferedError, SteepestError, TypeError):
            continue
        if info.name in EAGER_ONLY:
            with pytest.raises(TraceError):
                st.compile(call)()
            return
        try:
            found = _flat(st.compile(call)())
        except (TraceError, ArgumentError):
            refused += 1
            continue
        for ours, eager in zip(found, expected, strict=True):
            precision = 1e-12 if info.name in OTHER_ORDER else 0.0
            np.testing.assert_allclose(
                np.asarray(ours), np.asarray(eager), rtol=precision, atol=10 * precision
            )
        compared += 1
        if compared == COMPILED_SAMPLES:
            break
    assert compared or not _kept_counts()[name]["ran"]
    assert not refused or info.name in NUMBERS_DECIDE
