"""Where the records of a delimited text lie, and how many fields each has, by RFC 4180's quoting.

The scan runs in NumPy over blocks of bytes, a few nanoseconds a byte, whatever the text holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK_BYTES = 1 << 25
QUOTE = ord('"')
NEWLINE = ord("\n")


@dataclass(frozen=True)
class Structure:
    """Where the records of a delimited text lie.

    Attributes:
        ends: (n_records,) position of the newline that ends each record (or the text's length).
        fields: (n_records,) number of fields of each record.
        quotes_are_regular: every quote opens a field, closes one, or is doubled inside one.
    """

    ends: np.ndarray
    fields: np.ndarray
    quotes_are_regular: bool

    def blank(self, data: bytes) -> np.ndarray:
        """(n_records,) whether the record is an empty line."""
        starts = np.concatenate([[0], self.ends[:-1] + 1])
        lengths = self.ends - starts
        blank = lengths == 0
        for index in np.flatnonzero(lengths == 1):
            blank[index] = data[starts[index]] == ord("\r")
        return blank


def scan(data: bytes, delimiter: str) -> Structure | None:
    """Find every record and count its fields, block by block; None if a quote is never closed."""
    separator = ord(delimiter)
    buffer = np.frombuffer(data, dtype=np.uint8)
    ends: list[np.ndarray] = []
    separators_before_end: list[np.ndarray] = []
    quotes: list[np.ndarray] = []
    separators_so_far = 0
    inside_quotes = 0
    for begin in range(0, len(buffer), BLOCK_BYTES):
        block = buffer[begin : begin + BLOCK_BYTES]
        is_separator = block == separator
        is_end = block == NEWLINE
        is_quote = block == QUOTE
        if inside_quotes or is_quote.any():
            inside = np.bitwise_xor.accumulate(is_quote.view(np.uint8)) ^ np.uint8(inside_quotes)
            inside_quotes = int(inside[-1])
            outside = inside == 0
            is_separator &= outside
            is_end &= outside
            quotes.append(np.flatnonzero(is_quote) + begin)
        positions = np.flatnonzero(is_separator)
        end_positions = np.flatnonzero(is_end)
        separators_before_end.append(np.searchsorted(positions, end_positions) + separators_so_far)
        separators_so_far += len(positions)
        ends.append(end_positions + begin)
    if inside_quotes:
        return None
    if buffer[-1] != NEWLINE:
        ends.append(np.array([len(buffer)]))
        separators_before_end.append(np.array([separators_so_far]))
    fields = np.diff(np.concatenate(separators_before_end), prepend=0) + 1
    quote_positions = np.concatenate(quotes) if quotes else np.empty(0, dtype=np.int64)
    regular = quotes_are_regular(buffer, quote_positions, separator)
    return Structure(np.concatenate(ends), fields, regular)


def quotes_are_regular(buffer: np.ndarray, quotes: np.ndarray, separator: int) -> bool:
    """Whether each opening quote follows a delimiter and each closing quote precedes one."""
    if not quotes.size:
        return True
    opening = quotes[0::2]
    closing = quotes[1::2]
    before = np.where(opening > 0, buffer[np.maximum(opening - 1, 0)], NEWLINE)
    follows_quote = np.concatenate([[False], opening[1:] == closing[:-1] + 1])
    opens_field = (before == separator) | (before == NEWLINE)
    last = len(buffer) - 1
    after = np.where(closing < last, buffer[np.minimum(closing + 1, last)], NEWLINE)
    ends_field = np.isin(after, np.array([separator, NEWLINE, ord("\r")], dtype=np.uint8))
    precedes_quote = np.concatenate([follows_quote[1:], [False]])
    return bool(np.all(opens_field | follows_quote) and np.all(ends_field | precedes_quote))
