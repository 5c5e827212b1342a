"""The machine that programs run on, and code that is made for it, both without LLVM if possible.

What LLVM says of this machine is kept beside the code, by the processor's own description.
"""

from __future__ import annotations

import dataclasses
import platform
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from steepest.codegen import target
from steepest.codegen.target import Machine, compiler_version
from steepest.runtime import cache
from steepest.runtime.loading import LoadedCode, UnknownCode

if TYPE_CHECKING:
    from steepest.codegen.machine_code import MachineCode

Code: TypeAlias = "LoadedCode | MachineCode"

PROCESSOR = Path("/proc/cpuinfo")
DESCRIPTION = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
"""The lines of a processor's description that its instructions depend on."""


@lru_cache(maxsize=1)
def host() -> Machine:
    """The machine that this process runs on."""
    described = _description()
    if described is None:
        return target.host()
    name = cache.name_of("the machine", described, compiler_version())
    kept = cache.load(name)
    if kept is not None:
        return Machine(**kept[0])
    found = target.host()
    cache.store(name, dataclasses.asdict(found), b"")
    return found


def _description() -> str | None:
    """What the system says of its first processor; `None` where it says nothing."""
    try:
        first = PROCESSOR.read_text().split("\n\n", 1)[0]
    except OSError:
        return None
    lines = [line for line in first.splitlines() if line.split("\t")[0].strip() in DESCRIPTION]
    return "\n".join([platform.machine(), platform.system(), *lines]) if lines else None


def load_code(code: bytes, machine: Machine, symbols: dict[str, int]) -> Code:
    """An object file as machine code that is ready to run.

    Args:
        code: the object file.
        symbols: addresses of what it calls, by name.
    """
    try:
        return LoadedCode(code, symbols)
    except UnknownCode:
        from steepest.codegen.machine_code import MachineCode

        return MachineCode.loaded(code, machine, symbols)
