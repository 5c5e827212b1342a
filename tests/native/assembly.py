"""Reads LLVM's assembly: the innermost loops of functions, and what in them touches the stack."""

from __future__ import annotations

import dataclasses
import re

LABEL = re.compile(r"^([.\w]+):")
JUMP = re.compile(r"^\s+(?:j\w+|b|b\.\w+|cbn?z|tbn?z)\s.*?(\.LBB\d+_\d+)$")
FUNCTION = re.compile(r"^\s+\.type\s+(\w+),[@%]function")
COMMENT = re.compile(r"\s+(?:#|//) .*")
FUSED = re.compile(r"^\s+(?:vfn?m(?:add|sub)\w*p[sd]\s.*%[xyz]mm|fml[as]\s+v)")
"""A vector multiplied and added: what micro-kernels are made of."""
VECTOR = re.compile(r"%[xyz]mm\d|\b[qdv]\d")


@dataclasses.dataclass(frozen=True)
class Loop:
    """An innermost loop: the name of its function and its instructions.

    Attributes:
        frame: the registers through which the function reaches its stack.
    """

    function: str
    lines: tuple[str, ...]
    frame: tuple[str, ...]

    @property
    def multiplies(self) -> int:
        """How many vectors are multiplied and added."""
        return sum(1 for line in self.lines if FUSED.match(line))

    @property
    def spills(self) -> list[str]:
        """The instructions that move a vector register to the stack or use one from there."""
        return [
            line
            for line in self.lines
            if VECTOR.search(line) and any(each in line for each in self.frame)
        ]


def innermost_loops(assembly: str) -> list[Loop]:
    """All loops that contain no other."""
    return [loop for name, lines in functions(assembly) for loop in _loops(name, lines)]


def functions(assembly: str) -> list[tuple[str, list[str]]]:
    """The name and the lines of each function."""
    found: list[tuple[str, list[str]]] = []
    for line in assembly.splitlines():
        start = FUNCTION.match(line)
        if start:
            found.append((start[1], []))
        elif found:
            found[-1][1].append(COMMENT.sub("", line))
    return found


def _loops(name: str, lines: list[str]) -> list[Loop]:
    places: dict[str, int] = {}
    ranges: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        label, jump = LABEL.match(line), JUMP.match(line)
        if label:
            places[label[1]] = number
        elif jump and jump[1] in places:
            ranges.append((places[jump[1]], number))
    frame = _frame(lines)
    return [
        Loop(name, tuple(lines[low : high + 1]), frame)
        for low, high in ranges
        if not any(low <= a and b <= high and (a, b) != (low, high) for a, b in ranges)
    ]


def _frame(lines: list[str]) -> tuple[str, ...]:
    """rbp and x29 are registers like others unless the function makes them point to its frame."""
    text = "\n".join(lines)
    frame = ["(%rsp", "[sp"]
    if re.search(r"movq\s+%rsp, %rbp", text):
        frame.append("(%rbp")
    if re.search(r"(?:mov|add)\s+x29, sp", text):
        frame.append("[x29")
    return tuple(frame)
