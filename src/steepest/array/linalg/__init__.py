"""Linear algebra: the `linalg` extension of the array API standard.

What is made of primitives (`norms`, `matrices`, products) can be differentiated and compiled.
Decompositions and `systems` run eagerly through NumPy: they have gradients, and refuse compiling
with a clear error.
"""

from steepest.array.linalg.decompositions import (
    cholesky,
    det,
    eigh,
    eigvalsh,
    matrix_rank,
    qr,
    svd,
    svdvals,
)
from steepest.array.linalg.matrices import cross, diagonal, matrix_power, outer, trace
from steepest.array.linalg.norms import matrix_norm, vector_norm
from steepest.array.linalg.systems import inv, pinv, slogdet, solve
from steepest.array.manipulation import matrix_transpose
from steepest.array.products import matmul, tensordot, vecdot

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
