"""Graph to graph: small pure functions, applied in the order of `PASSES`.

Each returns a new graph that computes the same bits, with fewer nodes; but for two.
`dense_data_gradients` sums in another order. `winograd` multiplies less and rounds otherwise; it
comes last, so that tiles of one image that are wanted forward and backward stay two nodes, and
nothing keeps them in between.
"""

from collections.abc import Callable

from steepest.graph.node import Graph
from steepest.passes.common import merge_equal_nodes
from steepest.passes.constants import fold_constants
from steepest.passes.convolution import dense_data_gradients
from steepest.passes.custom import drop_custom_gradients
from steepest.passes.simplify import simplify
from steepest.passes.winograd import winograd

Pass = Callable[[Graph], Graph]

PASSES: tuple[Pass, ...] = (
    drop_custom_gradients,
    simplify,
    dense_data_gradients,
    fold_constants,
    simplify,
    merge_equal_nodes,
    winograd,
)
"""The passes in order. Nodes that no output needs vanish by themselves: a graph is its outputs."""
