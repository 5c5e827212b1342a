"""What is put into a frame of zeros lies in the frame only.

A convolution reads a padded image. What else reads the image, such as a residual sum or the
gradient of the weight, then reads it in its frame, so that nobody needs it by itself: it is
computed straight into the frame.
"""

from __future__ import annotations

from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.kernels.affine import row_major
from steepest.kernels.phases import has_interior
from steepest.kernels.storage import Storage
from steepest.ops import contraction, movement, windows
from steepest.ops.contraction import parse_spec

CROWDED_FRAME_BYTES = 4096
"""Lines of a frame that lie a multiple of this apart crowd few sets of a near cache."""


def framed_once(graph: Graph) -> Graph:
    """Let all users of an image read it in its frame, where it has one with a buffer."""
    frames = _frames(graph)
    framed: dict[int, Node] = {}

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        if id(node) in framed:
            return framed[id(node)]
        node, frame = keep(node, operands), frames.get(id(node))
        if frame is None:
            return node
        made = framed[id(frame)] = Node(frame.op, (node,), frame.static, frame.type, frame.origin)
        return _inside(made)

    return rebuild(graph, rewrite) if frames else graph


def _frames(graph: Graph) -> dict[int, Node]:
    """The frame of each elementwise result that has one, by the result's id."""
    stored = Storage(graph).stored
    known = {id(node) for node in graph.outputs}
    depthwise = _seen_depthwise(graph)
    frames: dict[int, Node] = {}
    for node in graph.nodes():
        if node.op is not movement.pad or has_interior(node) or id(node) not in stored:
            continue
        if _is_crowded(node) or id(node) in depthwise:
            continue
        (image,) = node.operands
        if getattr(image.op, "is_elementwise", False) and id(image) not in known:
            frames.setdefault(id(image), node)
    return frames


def _seen_depthwise(graph: Graph) -> set[int]:
    """The ids of what contractions look at channel by channel.

    These do little with each number, and lose by steps over frames what is gained.
    """
    found: set[int] = set()
    for node in graph.nodes():
        if node.op is not contraction.contract:
            continue
        left, right, output = parse_spec(node.static["spec"])
        if set(left) & set(right) & set(output):
            seen = [each for each in node.operands if each.op is windows.windows]
            found.update(id(each.operands[0]) for each in seen)
    return found


def _is_crowded(frame: Node) -> bool:
    """Whether contractions would rather read the image by itself, down its columns."""
    steps, itemsize = row_major(frame.tensor_type.shape), frame.tensor_type.dtype.itemsize
    return steps[1:2] != () and steps[1] * itemsize % CROWDED_FRAME_BYTES == 0


def _inside(frame: Node) -> Node:
    """What is in a frame, as a part of it."""
    (image,) = frame.operands
    shape = image.tensor_type.shape
    static = {
        "start": frame.static["low"],
        "stop": tuple(low + size for low, size in zip(frame.static["low"], shape, strict=True)),
        "step": (1,) * len(shape),
    }
    return Node(movement.slice_, (frame,), static, image.type, frame.origin)
