"""The checker itself: it passes what is right, and finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import steepest as st
from steepest.errors import GradientError

POINT = st.asarray(np.array([0.3, -1.2]))


def with_rule(slope: float, second: float = 1.0) -> st.Tensor:
    """x^2 / 2 with the rule `slope * x`, or a wrong second derivative."""

    def rule(output_grad: st.Tensor, output: st.Tensor, x: st.Tensor) -> st.Tensor:  # noqa: ARG001
        value = x * slope
        return output_grad * (value * second + st.stop_gradient(value) * (1 - second))

    return st.custom_gradient(gradient=rule)(lambda x: x * x * 0.5)


def test_right_rules_pass() -> None:
    st.check_gradients(with_rule(1.0), [POINT])
    st.check_gradients(lambda x, y: {"a": x * y, "b": [st.exp(x)]}, [POINT, POINT], order=3)


@pytest.mark.parametrize("slope", [0.0, 0.99, -1.0, 1.001, float("nan")])
def test_wrong_rules_are_found(slope: float) -> None:
    with pytest.raises(GradientError, match=r"differs from the finite difference"):
        st.check_gradients(with_rule(slope), [POINT])


def test_wrong_second_derivative_is_found() -> None:
    st.check_gradients(with_rule(1.0, second=0.5), [POINT], order=1)
    with pytest.raises(GradientError, match=r"differs from the finite difference"):
        st.check_gradients(with_rule(1.0, second=0.5), [POINT], order=2)


def test_wrong_rules_of_complex_numbers_are_found() -> None:
    """The derivative of z^2 is 2z, so its rule has the conjugate of that."""
    point = st.asarray(np.array([0.3 - 0.5j, -1.2 + 0.1j]))

    def square(slope: Callable[[st.Tensor], st.Tensor]) -> Callable[..., st.Tensor]:
        rule = lambda output_grad, output, z: output_grad * slope(z)  # noqa: ARG005, E731
        return st.custom_gradient(gradient=rule)(lambda z: z * z)

    st.check_gradients(square(lambda z: 2 * st.conj(z)), [point])
    wrongs: list[Callable[[st.Tensor], st.Tensor]] = [
        lambda z: 2 * z,
        lambda z: 2 * st.conj(z) + 0.001j,
        lambda z: st.real(z) * 2,
    ]
    for wrong in wrongs:
        with pytest.raises(GradientError, match=r"differs from the finite difference"):
            st.check_gradients(square(wrong), [point])


def test_message() -> None:
    point = st.asarray(np.array(2.0))
    with pytest.raises(GradientError) as caught:
        st.check_gradients(with_rule(0.0), [point])
    kind, _, numbers = str(caught.value).partition(" 0.0 ")
    assert kind == "forward-mode derivative"
    assert numbers.startswith("differs from the finite difference ")


def test_only_double_precision_is_exact_enough() -> None:
    with pytest.raises(GradientError) as caught:
        st.check_gradients(st.exp, [st.ones(2)])
    assert str(caught.value) == "check_gradients: the arguments must be float64 or complex128."
