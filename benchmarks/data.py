"""The real tables that the benchmarks train on, and how they are split.

Two of them come inside Debian packages of R data sets. They are read from where Debian installs
them, or fetched once with ``apt-get download`` into a cache folder; nothing of R is needed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

R_LIBRARY = Path("usr/lib/R/site-library")


class DataUnavailableError(RuntimeError):
    """A table cannot be had on this machine; the message says what to install."""


@dataclass(frozen=True)
class Table:
    """A table with its target set apart.

    Attributes:
        name: Short name, as printed.
        task: ``"regression"`` or ``"classification"``.
        features: One column per feature; numbers are ``Float64``, categories are ``String``.
        target: One value a row; ``float64`` for regression, ``str`` for classification.
        target_name: The target column's name in ``frame``.
    """

    name: str
    task: str
    features: pl.DataFrame
    target: np.ndarray
    target_name: str

    @property
    def frame(self) -> pl.DataFrame:
        """Features and target together, as a user's file would have them."""
        return self.features.with_columns(pl.Series(self.target_name, self.target))

    def split(self, seed: int, test_fraction: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of a random training part and test part, both sorted."""
        rows = np.random.default_rng(seed).permutation(len(self.target))
        test_size = round(test_fraction * len(rows))
        return np.sort(rows[test_size:]), np.sort(rows[:test_size])

    def take(self, rows: np.ndarray) -> Table:
        """The same table with only these rows, in this order."""
        return Table(self.name, self.task, self.features[rows], self.target[rows], self.target_name)


def ames() -> Table:
    """House sales in Ames, Iowa: 2,930 x 73; the target is the natural logarithm of the price."""
    frame = _frame(_lazy_r_object("modeldata", "ames"))
    target = np.log(frame["Sale_Price"].to_numpy())
    return Table("ames", "regression", frame.drop("Sale_Price"), target, "Log_Sale_Price")


def breast_cancer() -> Table:
    """Breast cancer of Wisconsin, from scikit-learn: 569 x 30, two classes."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    columns = [str(name).replace(" ", "_") for name in bunch.feature_names]
    features = pl.DataFrame(dict(zip(columns, bunch.data.T.astype(np.float64), strict=True)))
    target = np.asarray(bunch.target_names)[bunch.target].astype(str)
    return Table("breast_cancer", "classification", features, target, "diagnosis")


def spam() -> Table:
    """Word and character frequencies of 4,601 e-mails, from kernlab: 57 numbers, two classes."""
    frame = _frame(_r_file("kernlab", "data/spam.rda")["spam"])
    target = frame["type"].to_numpy().astype(str)
    return Table("spam", "classification", frame.drop("type"), target, "type")


TABLES: dict[str, Callable[[], Table]] = {
    "ames": ames,
    "breast_cancer": breast_cancer,
    "spam": spam,
}


def _package_folder(package: str) -> Path:
    """The folder of R package ``package``: installed by Debian, or fetched into the cache."""
    installed = Path("/") / R_LIBRARY / package
    if installed.is_dir():
        return installed
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(base) / "steepest" / "benchmarks"
    folder = cache / R_LIBRARY / package
    if not folder.is_dir():
        _fetch_debian_package(f"r-cran-{package.lower()}", cache)
    return folder


def _fetch_debian_package(name: str, cache: Path) -> None:
    """Download Debian package ``name`` and unpack it under ``cache``; installs nothing."""
    cache.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", name], cwd=cache, check=True, capture_output=True)
        for archive in cache.glob(f"{name}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, cache], check=True, capture_output=True)
            archive.unlink()
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataUnavailableError(
            f"the data of Debian package {name} is not here and could not be fetched. "
            f"Fix: on Debian or Ubuntu run `apt-get install {name}`."
        ) from error


def _r_file(package: str, path: str) -> dict[str, Any]:
    """All objects of one ``.rda`` file."""
    import rdata

    return dict(rdata.read_rda(_package_folder(package) / path))


def _lazy_r_object(package: str, name: str) -> Any:
    """One object of a package's lazy-load database.

    ``Rdata.rdx`` is a compressed index of (offset, length) into ``Rdata.rdb``. A record there is
    4 bytes of size, big-endian, then the data: zlib, or a letter (2: bzip2, Z: LZMA) and the data.
    """
    folder = _package_folder(package) / "data"
    index = _parse_r((folder / "Rdata.rdx").read_bytes())
    offset, length = (int(value) for value in index["variables"][name])
    record = (folder / "Rdata.rdb").read_bytes()[offset : offset + length]
    size = int.from_bytes(record[:4], "big")
    kind = record[4:5]
    if kind == b"Z":
        lzma2 = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        data = lzma.decompress(record[5:], format=lzma.FORMAT_RAW, filters=lzma2)
    elif kind == b"2":
        data = bz2.decompress(record[5:])
    else:
        data = zlib.decompress(record[4:])
    if len(data) != size:
        raise DataUnavailableError(f"{package}: {name} has {len(data)} bytes, {size} expected")
    return _parse_r(data)


def _parse_r(data: bytes) -> Any:
    import rdata

    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that it guesses the file type: RDS
        return rdata.conversion.convert(rdata.parser.parse_data(data))


def _frame(pandas_frame: Any) -> pl.DataFrame:
    """A polars frame of numbers (``Float64``) and categories (``String``); missing is null."""
    columns = []
    for name in pandas_frame.columns:
        column = pandas_frame[name]
        missing = column.isna().to_numpy()
        if column.dtype.kind in "iufb":
            values = column.astype("float64").to_numpy(na_value=np.nan).tolist()
        else:
            values = [str(value).strip() for value in column]
        values = [None if gone else value for value, gone in zip(values, missing, strict=True)]
        columns.append(pl.Series(str(name), values))
    return pl.DataFrame(columns)
