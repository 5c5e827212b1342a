"""Writes examples/data/ames.csv from the R package `modeldata`, as Debian ships it.

How to run it (any directory; needs Python, PyPI `rdata` and Debian's `r-cran-modeldata`):

    apt-get download r-cran-modeldata
    dpkg-deb -x r-cran-modeldata_*.deb modeldata
    python -m venv reader && reader/bin/pip install rdata
    reader/bin/python scripts/make_ames_csv.py \
        modeldata/usr/lib/R/site-library/modeldata/data examples/data/ames.csv

Two runs write the same bytes. The table is copied as it stands in the package: no row or column is
dropped, renamed or reordered, and no value is changed. Factors are written as their labels.

The source is an R "lazy-load" database of two files:

- `Rdata.rdx` is an index: gzip-compressed R data holding, for each variable, (offset, length).
- `Rdata.rdb` holds the variables. Each is 4 bytes of uncompressed size (big endian), one byte that
  names the compression ("Z": raw LZMA2, "2": bzip2, "0": none), then the compressed R data.
"""

import argparse
import bz2
import csv
import gzip
import lzma
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "ames"
EXPECTED_ROWS = 2930
EXPECTED_COLUMNS = 74
MISSING = ""


def decompress_lzma2(data: bytes) -> bytes:
    """R writes bare LZMA2 without a container, so the filter has to be named."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6 | lzma.PRESET_EXTREME}]
    return lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=filters).decompress(data)


DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"Z": decompress_lzma2,
    b"2": bz2.decompress,
    b"0": bytes,
}


def decode_r_data(data: bytes) -> Any:
    """Decodes R's serialised form; `rdata` warns that the bytes have no file header."""
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = rdata.parser.parse_data(data)
        return rdata.conversion.convert(parsed)


def read_variable(directory: Path, name: str) -> Any:
    """Reads one variable of the lazy-load database Rdata.rdb + Rdata.rdx in `directory`."""
    index = decode_r_data(gzip.decompress((directory / "Rdata.rdx").read_bytes()))
    offset, length = (int(number) for number in index["variables"][name])
    block = (directory / "Rdata.rdb").read_bytes()[offset : offset + length]
    size = int.from_bytes(block[:4], "big")
    data = DECOMPRESS[block[4:5]](block[5:])
    if len(data) != size:
        raise ValueError(f"{name}: the index says {size} bytes, but {len(data)} were unpacked")
    return decode_r_data(data)


def format_value(value: Any) -> str:
    """One cell: whole numbers without a decimal point, others in their shortest exact form."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, str):
        return value
    number = float(value)
    if number.is_integer():
        return str(int(number))
    return repr(number)


def write_csv(frame: Any, path: Path) -> int:
    """Writes the data frame and returns the number of missing cells."""
    missing = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [str(name) for name in frame.columns]
        writer.writerow(names)
        columns = [frame[name].tolist() for name in names]
        for row in zip(*columns, strict=True):
            cells = [format_value(value) for value in row]
            missing += cells.count(MISSING)
            writer.writerow(cells)
    return missing


def main() -> int:
    parser = argparse.ArgumentParser(description="Write ames.csv from Debian's r-cran-modeldata.")
    parser.add_argument("database", type=Path, help="folder with Rdata.rdb and Rdata.rdx")
    parser.add_argument("output", type=Path, help="the CSV file to write")
    arguments = parser.parse_args()
    frame = read_variable(arguments.database, VARIABLE)
    if frame.shape != (EXPECTED_ROWS, EXPECTED_COLUMNS):
        print(f"expected {EXPECTED_ROWS} x {EXPECTED_COLUMNS}, found {frame.shape}")
        return 1
    missing = write_csv(frame, arguments.output)
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {frame.shape[0]} rows, {frame.shape[1]} columns, {size} bytes")
    print(f"missing cells: {missing}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
