"""From a module to machine code in memory."""

from __future__ import annotations

import re
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from llvmlite.binding import ffi, newpassmanagers

from steepest.codegen.target import Machine, target_machine

LIBRARY_FUNCTION = re.compile(
    r'^declare (?:float|double) @"[a-z0-9]+"\((?:float|double)[^)]*\)', re.MULTILINE
)


class MachineCode:
    """Compiled functions, which LLVM loads when the first one is asked for.

    They are held in memory as long as this object lives.

    Attributes:
        code: the object file that they are loaded from.
    """

    code: bytes
    _machine: Machine
    _module: Any

    def __init__(self, module: ir.Module | str, machine: Machine, symbols: dict[str, int]):
        self._machine = machine
        handle = target_machine(machine)
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        # Full vectors, which LLVM avoids by default and which llvmlite's builder cannot ask for.
        width = f'"prefer-vector-width"="{machine.vector_bytes * 8}"'
        text = str(module).replace("\n{", f" {width}\n{{")
        # Functions of the C library depend on their operands only: loops need not repeat them.
        pure = " memory(none) willreturn speculatable nounwind"
        text = LIBRARY_FUNCTION.sub(lambda found: found[0] + pure, text)
        if not machine.has_fma:
            # Rounded twice; rounding once would take a call for every number.
            text = text.replace("llvm.fma.", "llvm.fmuladd.")
        parsed = llvm.parse_assembly(text)
        parsed.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = True
        options.slp_vectorization = False
        options.loop_unrolling = False
        builder = llvm.create_pass_builder(handle, options)
        passes = builder.getModulePassManager()
        passes.run(parsed, builder)
        _free(passes)
        self._module = parsed
        self.code = bytes(handle.emit_object(parsed))
        self._engine: Any = None

    @classmethod
    def loaded(cls, code: bytes, machine: Machine, symbols: dict[str, int]) -> MachineCode:
        """Machine code that was made before; see `code`."""
        made = cls.__new__(cls)
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        made._machine = machine
        made._module = None
        made.code = code
        made._engine = None
        return made

    def _load(self) -> None:
        nothing = llvm.parse_assembly("")
        self._engine = llvm.create_mcjit_compiler(nothing, target_machine(self._machine))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(self.code))
        self._engine.finalize_object()

    def assembly_of(self) -> str:
        """The assembly of all functions, for people and tests to read."""
        return str(target_machine(self._machine).emit_assembly(self._module))

    def address(self, name: str) -> int:
        """The address of a function."""
        if self._engine is None:
            self._load()
        return int(self._engine.get_function_address(name))

    def function(self, name: str, kind: Any) -> Any:
        """A function that Python can call; the interpreter's lock is released while it runs."""
        return kind(self.address(name))


def _free(passes: Any) -> None:
    """Free the passes of a pass manager, about 100 KB.

    llvmlite's class does not: of its two bases, the one whose `_dispose` does nothing comes first.
    """
    if type(passes)._dispose is ffi.ObjectRef._dispose:
        newpassmanagers.NewPassManager._dispose(passes)
    passes.close()
