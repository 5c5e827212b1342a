"""Random tensors: the same for a seed, eager and compiled; distributed as they say."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import assert_equal_bits

import steepest as st
from steepest.errors import ArgumentError, DTypeError

DRAWS = {
    "uniform": lambda generator: st.random.uniform((3, 4), -1.0, 2.0, generator=generator),
    "uniform64": lambda generator: st.random.uniform(5, dtype=st.float64, generator=generator),
    "normal": lambda generator: st.random.normal((3, 4), 1.0, 2.0, generator=generator),
    "bernoulli": lambda generator: st.random.bernoulli(0.3, (20,), generator=generator),
    "randint": lambda generator: st.random.randint(-3, 9, (20,), generator=generator),
    "permutation": lambda generator: st.random.permutation(20, generator=generator),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_gives_one_stream_eager_and_compiled(name):
    draw = DRAWS[name]
    eager, again, compiled = (st.random.Generator(7) for _ in range(3))
    program = st.compile(lambda: draw(compiled))
    for _ in range(3):
        first = draw(eager)
        assert_equal_bits(first, draw(again))
        assert_equal_bits(first, program())
    assert eager.counter.item() == compiled.counter.item()
    assert not np.array_equal(draw(eager).numpy(), first.numpy())
    assert not np.array_equal(draw(st.random.Generator(8)).numpy(), first.numpy())


def test_a_stream_goes_on_from_saved_state():
    generator = st.random.Generator(3)
    st.random.normal((5,), generator=generator)
    key, counter = generator.key.numpy().copy(), generator.counter.numpy().copy()
    expected = st.random.normal((5,), generator=generator)
    other = st.random.Generator(0)
    other.key.assign(key)
    other.counter.assign(counter)
    assert_equal_bits(st.random.normal((5,), generator=other), expected)


def test_the_default_generator():
    st.random.seed(5)
    first = st.random.uniform((4,))
    second = st.random.uniform((4,))
    st.random.seed(5)
    assert_equal_bits(st.random.uniform((4,)), first)
    assert_equal_bits(st.random.uniform((4,)), second)
    assert not np.array_equal(first.numpy(), second.numpy())


def test_a_draw_does_not_depend_on_the_shape_before_it():
    long = st.random.uniform((100,), generator=st.random.Generator(1)).numpy()
    short = st.random.uniform((10,), generator=st.random.Generator(1)).numpy()
    np.testing.assert_array_equal(long[:10], short)


COUNT = 200_000


@pytest.mark.parametrize("dtype", [st.float32, st.float64])
def test_moments(dtype):
    generator = st.random.Generator(11)
    uniform = st.random.uniform((COUNT,), -1.0, 3.0, dtype, generator).numpy()
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert abs(uniform.mean() - 1) < 0.02
    assert abs(uniform.var() - 16 / 12) < 0.02
    normal = st.random.normal((COUNT,), 2.0, 0.5, dtype, generator).numpy()
    assert np.isfinite(normal).all()
    assert abs(normal.mean() - 2) < 0.01
    assert abs(normal.std() - 0.5) < 0.01
    standard = (normal - 2) / 0.5
    assert abs((standard**3).mean()) < 0.03
    assert abs((standard**4).mean() - 3) < 0.08


def test_counts():
    generator = st.random.Generator(12)
    assert abs(st.random.bernoulli(0.3, (COUNT,), generator).numpy().mean() - 0.3) < 0.01
    assert not st.random.bernoulli(0.0, (1000,), generator).numpy().any()
    assert st.random.bernoulli(1.0, (1000,), generator).numpy().all()
    found = st.random.randint(-2, 3, (COUNT,), generator).numpy()
    counts = np.bincount(found + 2, minlength=5)
    assert counts.size == 5
    assert abs(counts / COUNT - 0.2).max() < 0.01
    assert sorted(st.random.permutation(100, generator).tolist()) == list(range(100))


def test_messages():
    with pytest.raises(ArgumentError, match="seed -1 is outside 0 to 2\\^64 - 1"):
        st.random.Generator(-1)
    with pytest.raises(DTypeError, match="random: int64 is not a floating type"):
        st.random.uniform((2,), dtype=st.int64)
    with pytest.raises(ArgumentError, match="randint: high - low is 0, but must be 1 to"):
        st.random.randint(3, 3)
