"""Dates and times: recognised in text, and turned into numbers that a network can use.

A moment becomes year, month, day of the month, day of the week (Monday is 1), day of the year and
days since 1970-01-01 (with the time of day as a fraction); where the training data has times, also
the hour of the day (0 to 24, with minutes as a fraction). Times with a zone are moved to UTC.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%#z",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
)
"""The formats that are tried, in this order (chrono's directives, as polars documents them)."""

AMBIGUOUS_FORMATS = {
    "%m/%d/%Y": "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S": "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M": "%d/%m/%Y %H:%M",
    "%m-%d-%Y": "%d-%m-%Y",
    "%m/%d/%y": "%d/%m/%y",
}
"""Formats with the month first, and the same with the day first."""

LOOKS_LIKE_DATE = (
    r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}/\d{1,2}/\d{2}$"
    r"|\d{1,2}[ -]\p{L}{3,9}[ -]\d{4}|\p{L}{3,9} \d{1,2}, \d{4})"
)
HAS_LONG_YEAR = r"\d{4}"
SAMPLE_SIZE = 500

FEATURES: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "year": lambda moment: moment.dt.year(),
    "month": lambda moment: moment.dt.month(),
    "day of month": lambda moment: moment.dt.day(),
    "day of week": lambda moment: moment.dt.weekday(),
    "day of year": lambda moment: moment.dt.ordinal_day(),
    "elapsed days": lambda moment: moment.dt.epoch("us") / 86_400_000_000,
    "hour": lambda moment: (
        moment.dt.hour().cast(pl.Float64)
        + moment.dt.minute().cast(pl.Float64) / 60
        + moment.dt.second().cast(pl.Float64) / 3600
    ),
}
"""What a moment is turned into; `hour` only where the training data has times of day."""


def parse_dates(texts: pl.Series, date_format: str) -> pl.Series:
    """Read text as moments in UTC; null where it is missing or not in this format."""
    zoned = "%#z" in date_format
    expression = pl.col("text").str.to_datetime(
        date_format, time_unit="us", time_zone="UTC" if zoned else None, strict=False
    )
    if zoned:
        expression = expression.dt.replace_time_zone(None)
    return texts.to_frame("text").select(expression.alias(texts.name)).to_series()


def find_date_format(texts: pl.Series) -> str | None:
    """The first format that reads every text, or None. `texts` has no nulls."""
    if texts.is_empty():
        return None
    sample = texts.head(SAMPLE_SIZE)
    if not sample.str.contains(LOOKS_LIKE_DATE).all():
        return None
    year = "%Y" if sample.str.contains(HAS_LONG_YEAR).all() else "%y"
    for date_format in DATE_FORMATS:
        if year not in date_format:
            continue
        if parse_dates(sample, date_format).null_count():
            continue
        if parse_dates(texts, date_format).null_count() == 0:
            return date_format
    return None


def is_ambiguous(texts: pl.Series, date_format: str) -> bool:
    """Whether the day-first reading of a month-first format would fit every text as well."""
    other = AMBIGUOUS_FORMATS.get(date_format)
    return other is not None and parse_dates(texts, other).null_count() == 0


def as_moments(series: pl.Series) -> pl.Series:
    """Date and Datetime columns of any unit and zone as Datetime in microseconds, UTC."""
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(pl.Datetime("us"))


def has_times(moments: pl.Series) -> bool:
    """Whether any moment is not midnight."""
    day = 86_400_000_000
    return bool((moments.dt.epoch("us") % day != 0).any())


def date_features(moments: pl.Series, features: tuple[str, ...]) -> pl.DataFrame:
    """(n_rows, n_features) Float64: the named features of each moment, null where it is missing."""
    moment = pl.col("moment")
    return moments.to_frame("moment").select(
        FEATURES[feature](moment).cast(pl.Float64).alias(feature) for feature in features
    )
