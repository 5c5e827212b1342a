"""The machine that code is made for: its vectors, its register tile, and LLVM's handle on it."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm

from steepest.graph.dtypes import DType


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the code generator must know of a CPU.

    Attributes:
        name: LLVM's name of the CPU.
        features: LLVM's list of features.
        vector_bytes: the width of a vector register.
        vector_registers: how many there are.
    """

    triple: str
    name: str
    features: str
    vector_bytes: int
    vector_registers: int

    def lanes(self, dtype: DType) -> int:
        """How many numbers a vector register holds."""
        return self.vector_bytes // dtype.itemsize

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and vectors of the register tile of a contraction; rows divide 8."""
        return (8, 3) if self.vector_registers >= 32 else (4, 3)


@lru_cache(maxsize=1)
def initialize() -> None:
    """Make LLVM ready to compile for this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.load_library_permanently("libm.so.6")


@lru_cache(maxsize=1)
def host() -> Machine:
    """The machine that this process runs on."""
    initialize()
    features = llvm.get_host_cpu_features()
    wide = features.get("avx512f", False)
    flat = features.flatten()
    vector_bytes = 64 if wide else 32 if features.get("avx2", False) else 16
    return Machine(
        llvm.get_default_triple(), llvm.get_host_cpu_name(), flat, vector_bytes, 32 if wide else 16
    )


def target_machine(machine: Machine) -> Any:
    """LLVM's handle on a machine."""
    target = llvm.Target.from_triple(machine.triple)
    return target.create_target_machine(
        cpu=machine.name, features=machine.features, opt=3, reloc="pic", codemodel="small"
    )
