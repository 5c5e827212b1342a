"""Text that stands for something else: missing values, and numbers written with decoration.

Two lists say what counts as missing. `MISSING_VALUES` are missing in every column.
`DOUBTFUL_VALUES` ("None", "?", "-") are missing only in a column whose other values are numbers or
dates; in a column of words they are a category like any other ("None" is what most houses have for
a masonry veneer).

Numbers are read in three formats:

- `plain`: `12`, `-1.5`, `2e-3`, `inf`.
- `point`: a decimal point and optional decoration: `1,234.5`, `$5`, `12 %`, `(3.50)`, `1 234`.
- `comma`: the same with a decimal comma: `1.234,5`, `12,5 %`.

A percentage is divided by 100 and parentheses negate, as accountants write them.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

NumberFormat = Literal["plain", "point", "comma"]

MISSING_VALUES = (
    *("", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN"),
    *("null", "NULL", "Null", "NaT"),
)
"""What is read as missing in every column (after blanks around it are removed)."""

DOUBTFUL_VALUES = (
    *("None", "none", "NONE", "?", "-", "--", ".", "..", "*", "nil", "#DIV/0!", "#VALUE!", "#REF!"),
    *("missing", "Missing", "MISSING", "unknown", "Unknown", "UNKNOWN", "not available"),
    *("Not Available", "n.a.", "N.A.", "undefined", "#NUM!", "#NULL!"),
)
"""What is read as missing only in columns of numbers and dates."""

GROUPS = r"\s'’\x{00a0}\x{202f}"
SIGN = r"[+\-−]?"
CURRENCY = r"(?:\p{Sc}|US\$|USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD)?"
EXPONENT = r"(?:[eE][+-]?\d+)?"
POINT_NUMBER = rf"(?:\d{{1,3}}(?:[,{GROUPS}]\d{{3}})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+){EXPONENT}"
COMMA_NUMBER = rf"(?:\d{{1,3}}(?:[.{GROUPS}]\d{{3}})+(?:,\d*)?|\d+(?:,\d*)?|,\d+){EXPONENT}"
NUMBER_PATTERNS = {"point": POINT_NUMBER, "comma": COMMA_NUMBER}


def decorated_pattern(number: str) -> str:
    prefix = rf"(?:{SIGN}\s*{CURRENCY}|{CURRENCY}\s*{SIGN})"
    return rf"^\(?\s*{prefix}\s*{number}\s*(?:%|{CURRENCY})\s*\)?$"


def clean_text(column: pl.Expr, missing_values: tuple[str, ...] | None = None) -> pl.Expr:
    """Remove blanks around the text, and turn what stands for a missing value into null."""
    stripped = column.str.strip_chars()
    marks = MISSING_VALUES if missing_values is None else ("", *missing_values)
    return pl.when(~stripped.is_in(list(marks))).then(stripped)


def convert_text_columns(
    frame: pl.DataFrame, missing_values: tuple[str, ...] | None = None
) -> pl.DataFrame:
    """Clean every String column, and turn those that hold only plain numbers into numbers.

    A column stays text if a number in it has a leading zero (`02139` is a code, not a quantity) or
    is an integer too long for 64 bits.

    Args:
        frame: any table; columns that are not String are left alone.
        missing_values: what stands for missing; None means `MISSING_VALUES`.
    """
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    if not names:
        return frame
    frame = frame.with_columns(clean_text(pl.col(names), missing_values))
    present = frame.select(pl.col(names).count()).row(0)
    as_float = frame.select(pl.col(names).cast(pl.Float64, strict=False).count()).row(0)
    numbers = [
        name
        for name, n_present, n_float in zip(names, present, as_float, strict=True)
        if n_present == n_float > 0
    ]
    if not numbers:
        return frame
    codes = frame.select(pl.col(numbers).str.contains(r"^[+-]?(0\d+|\d{19,})$").any()).row(0)
    numbers = [name for name, is_code in zip(numbers, codes, strict=True) if not is_code]
    if not numbers:
        return frame
    whole = frame.select(pl.col(numbers).str.contains(r"^[+-]?\d+$").all()).row(0)
    types: dict[str, type[pl.DataType]] = {
        name: pl.Int64 if is_whole else pl.Float64
        for name, is_whole in zip(numbers, whole, strict=True)
    }
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in types.items())


def parse_numbers(texts: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Read cleaned text as numbers.

    Args:
        texts: String; null is missing.
        number_format: `plain`, `point` or `comma`, as the module says.

    Returns:
        Float64, null where the text is missing or is not a number in this format.
    """
    if number_format == "plain":
        return texts.cast(pl.Float64, strict=False)
    text = pl.col("text")
    grouping = rf"[,{GROUPS}]" if number_format == "point" else rf"[.{GROUPS}]"
    matches = text.str.contains(decorated_pattern(NUMBER_PATTERNS[number_format]))
    bare = text.str.replace_all(grouping, "").str.replace_all("−", "-")
    if number_format == "comma":
        bare = bare.str.replace(",", ".", literal=True)
    sign_and_number = bare.str.extract(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", 1)
    magnitude = sign_and_number.cast(pl.Float64, strict=False)
    is_negative = bare.str.contains(r"^\(|^[^\d.]*-")
    is_percent = bare.str.contains("%", literal=True)
    value = pl.when(is_negative).then(-magnitude).otherwise(magnitude)
    value = pl.when(is_percent).then(value / 100).otherwise(value)
    plain = text.cast(pl.Float64, strict=False)
    expression = pl.when(matches).then(value).otherwise(plain if number_format == "point" else None)
    return texts.to_frame("text").select(expression.alias(texts.name)).to_series()


def choose_number_format(texts: pl.Series) -> tuple[NumberFormat, pl.Series]:
    """The format that reads most of the texts, and the numbers it reads.

    Among formats that read equally many, `plain` is preferred to `point`, and `point` to `comma`:
    a column that holds nothing but `1,234` and its like is read as thousands.
    """
    best_format: NumberFormat = "plain"
    best = parse_numbers(texts, best_format)
    formats: tuple[NumberFormat, ...] = ("point", "comma")
    for number_format in formats:
        if best.count() == texts.count():
            break
        numbers = parse_numbers(texts, number_format)
        if numbers.count() > best.count():
            best_format, best = number_format, numbers
    return best_format, best
