"""Which steepest function does what an operation of PyTorch does, and with which arguments.

`TABLE` maps the name of an entry of PyTorch's `op_db` to a function that takes the arguments of
PyTorch's function, by its names. An argument that is not in a function's signature is an option
that steepest does not have; `NotOfferedError` says the same of a value. Both skip a sample,
counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_operations.creation import CREATION
from torch_operations.elementwise import ELEMENTWISE
from torch_operations.indexing import INDEXING
from torch_operations.manipulation import MANIPULATION
from torch_operations.networks import NETWORKS
from torch_operations.products import PRODUCTS
from torch_operations.reductions import REDUCTIONS

TABLE: dict[str, Callable[..., Any]] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **MANIPULATION,
    **INDEXING,
    **PRODUCTS,
    **CREATION,
    **NETWORKS,
}
