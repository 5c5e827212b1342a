"""How the report writes numbers: for reading, with thousands separators and a proper minus sign."""

from __future__ import annotations

import math

MINUS = "−"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(value: float, digits: int = 3) -> str:
    """Write a measured number: about `digits` significant digits, whole from 1,000 on.

    `13912.4` gives `13,912`; `0.08312` gives `0.0831`; `0.0000123` gives `1.23 × 10⁻⁵`.
    """
    value = float(value)
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = float(f"{abs(value):.{digits - 1}e}")
    if size == 0:
        return "0"
    if size >= 1e12 or size < 1e-4:
        return _scientific(value, digits)
    if size >= 10 ** (digits - 1) or (value == round(value, 0) and size >= 10):
        return _signed(f"{value:,.0f}")
    decimals = digits - 1 - math.floor(math.log10(size))
    return _signed(f"{value:,.{decimals}f}")


def fixed(value: float, decimals: int) -> str:
    """Write a score with a fixed number of decimals, never as a negative zero."""
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else _signed(text)


def exact(value: float) -> str:
    """Write a number that stands in the data as it stands, up to 10 significant digits."""
    value = float(value)
    if not math.isfinite(value):
        return short(value)
    size = abs(value)
    if size >= 1e12 or 0 < size < 1e-4:
        return _scientific(value, 4)
    text = f"{value:,.10g}" if size < 1e10 else f"{value:,.0f}"
    return _signed(text)


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return _signed(f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}")


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def percent(fraction: float) -> str:
    """Write a share: `0.9561` gives `95.6%`; never `100%` or `0%` for what is only almost so."""
    if not math.isfinite(fraction):
        return short(fraction)
    for decimals in (1, 2, 3):
        text = f"{100 * fraction:.{decimals}f}"
        if float(text) not in (0.0, 100.0) or fraction in (0.0, 1.0):
            break
    if fraction in (0.0, 1.0):
        text = f"{100 * fraction:.0f}"
    return _signed(f"{text}%")


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Write a count with its noun: `count(2930, "row")` gives `2,930 rows`."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Write a duration: `0.42 s`, `24 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.01 else f"{1000 * seconds:.2g} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def compact(value: float, step: float) -> str:
    """Write an axis tick whose neighbours are `step` away: `250k`, `1.5M`, `0.25`."""
    size = max(abs(value), abs(step))
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= 10 * unit or (size >= unit and abs(step) >= unit / 10 and size >= 1e4):
            return _signed(_decimals(value / unit, step / unit) + letter) if value else "0"
    if size >= 1e-3:
        return _signed(_decimals(value, step))
    return _scientific(value, 2) if value else "0"


def _decimals(value: float, step: float) -> str:
    """Write `value` with just the decimals that tell it from a neighbour `step` away."""
    for decimals in range(7):
        if abs(round(step, decimals) - step) <= 1e-6 * abs(step):
            return f"{value:,.{decimals}f}"
    return f"{value:.3g}"
