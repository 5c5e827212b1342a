"""Graph to graph: small pure functions, applied in the order of `PASSES`.

Each returns a new graph that computes the same bits, with fewer nodes; but for
`dense_data_gradients`, which sums in another order.
"""

from collections.abc import Callable

from steepest.graph.node import Graph
from steepest.passes.common import merge_equal_nodes
from steepest.passes.constants import fold_constants
from steepest.passes.convolution import dense_data_gradients
from steepest.passes.custom import drop_custom_gradients
from steepest.passes.simplify import simplify

Pass = Callable[[Graph], Graph]

PASSES: tuple[Pass, ...] = (
    drop_custom_gradients,
    simplify,
    dense_data_gradients,
    fold_constants,
    simplify,
    merge_equal_nodes,
)
"""The passes in order. Nodes that no output needs vanish by themselves: a graph is its outputs."""
