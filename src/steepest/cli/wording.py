"""Hints of the Python functions in the words of the command line."""

from __future__ import annotations

import re

_SPELLINGS = (
    (re.compile(r"columns=\{'([^']*)': '(\w+)'\}"), r"--column '\1=\2'"),
    (re.compile(r"columns=\{\"([^\"]*)\": '(\w+)'\}"), r'--column "\1=\2"'),
    (re.compile(r"\btask='(\w+)'"), r"--task \1"),
    (re.compile(r"\bnetwork='(\w+)'"), r"--network \1"),
    (re.compile(r"\b(time|group)_column=('[^']*')"), r"--\1-column \2"),
    (re.compile(r"\bdelimiter="), "--delimiter "),
    (re.compile(r"\bencoding="), "--encoding "),
    (re.compile(r"\brename_duplicates=True\b"), "--rename-duplicates"),
    (re.compile(r"\bcolumns="), "--column "),
    (re.compile(r" ?\btarget_transform='none' turns this off\."), ""),
)


def as_typed(text: str) -> str:
    """Rewrite `columns={'zip': 'category'}` as `--column 'zip=category'`, and the like."""
    for python, command in _SPELLINGS:
        text = python.sub(command, text)
    return text
