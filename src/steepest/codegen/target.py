"""The machine that code is made for: its vectors, its register tile, and LLVM's handle on it.

LLVM is loaded only where it is asked something: a program whose code is on disk starts without it.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from steepest.graph.dtypes import DType


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the code generator must know of a CPU.

    Attributes:
        triple: LLVM's name of the kind of machine.
        name: LLVM's name of the CPU.
        features: LLVM's list of features beyond those that the CPU has by its name.
        vector_bytes: the width of a vector register.
        vector_registers: how many there are.
        has_fma: whether it multiplies and adds with one rounding.
    """

    triple: str
    name: str
    features: str
    vector_bytes: int
    vector_registers: int
    has_fma: bool = True

    def lanes(self, dtype: DType) -> int:
        """How many numbers a vector register holds."""
        return self.vector_bytes // dtype.itemsize

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and vectors of the register tile of a contraction; rows divide 8.

        With 16 registers, 4 by 3 totals leave 3 for vectors and 1 for the broadcast number; with
        32, 8 by 3 totals leave 8, which covers masks.
        """
        return (8, 3) if self.vector_registers >= 32 else (4, 3)


X86_64_LINUX = "x86_64-unknown-linux-gnu"
AVX512 = Machine(X86_64_LINUX, "skylake-avx512", "", 64, 32)
AVX2 = Machine(X86_64_LINUX, "haswell", "", 32, 16)
SSE = Machine(X86_64_LINUX, "x86-64", "", 16, 16, has_fma=False)
NEON = Machine("aarch64-unknown-linux-gnu", "generic", "", 16, 32)
"""Any 64-bit ARM processor."""


def compiler_version() -> str:
    """What tells one version of the package that brings LLVM from another, without loading it."""
    found = util.find_spec("llvmlite")
    for folder in [] if found is None else found.submodule_search_locations or []:
        told = Path(folder) / "_version.py"
        if told.exists():
            return told.read_text()
    return metadata.version("llvmlite")


@lru_cache(maxsize=1)
def initialize() -> None:
    """Make LLVM ready to compile for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.load_library_permanently("libm.so.6")


@lru_cache(maxsize=1)
def initialize_all() -> None:
    """Make LLVM ready to compile for machines of every kind."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def host() -> Machine:
    """The machine that this process runs on, as LLVM sees it; `runtime.machine` remembers it."""
    import llvmlite.binding as llvm

    initialize()
    triple, name = llvm.get_default_triple(), llvm.get_host_cpu_name()
    features = llvm.get_host_cpu_features()
    flat = features.flatten()
    if triple.startswith(("aarch64", "arm64")):
        return Machine(triple, name, flat, 16, 32)
    wide = features.get("avx512f", False)
    vector_bytes = 64 if wide else 32 if features.get("avx2", False) else 16
    has_fma = features.get("fma", False)
    return Machine(triple, name, flat, vector_bytes, 32 if wide else 16, has_fma)


def target_machine(machine: Machine) -> Any:
    """LLVM's handle on a machine."""
    import llvmlite.binding as llvm

    initialize()
    if machine.triple != llvm.get_default_triple():
        initialize_all()
    target = llvm.Target.from_triple(machine.triple)
    return target.create_target_machine(
        cpu=machine.name, features=machine.features, opt=3, reloc="pic", codemodel="small"
    )
