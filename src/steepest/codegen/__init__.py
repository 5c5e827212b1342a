"""From loop nests to machine code, through LLVM. The only folder that imports llvmlite."""
