"""The normal distribution function and its inverse, on arrays of float64.

The inverse is algorithm AS 241 (PPND16) of Wichura, Applied Statistics 37 (1988), accurate to
about 1 part in 10^16.
"""

from __future__ import annotations

import math

import numpy as np

_CENTRAL = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def normal_distribution(x: float) -> float:
    """The probability that a standard normal number is at most `x`."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def normal_quantile(probability: np.ndarray) -> np.ndarray:
    """The number below which a standard normal number stays with the given probability.

    Args:
        probability: float64, from 0 to 1; 0 and 1 give minus and plus infinity.
    """
    probability = np.asarray(probability, dtype=np.float64)
    offset = probability - 0.5
    central = _ratio(_CENTRAL, 0.180625 - offset * offset) * offset
    nearest_end = np.minimum(probability, 1.0 - probability)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.sqrt(-np.log(nearest_end))
        outer = np.where(depth <= 5.0, _ratio(_MIDDLE, depth - 1.6), _ratio(_TAIL, depth - 5.0))
    outer = np.where(nearest_end == 0.0, np.inf, outer)
    return np.where(np.abs(offset) <= 0.425, central, np.copysign(outer, offset))


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: np.ndarray) -> np.ndarray:
    numerator, denominator = coefficients
    return np.polyval(numerator, x) / np.polyval(denominator, x)
