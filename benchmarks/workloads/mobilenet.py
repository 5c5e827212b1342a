"""Networks of depthwise convolutions between 1x1 ones: `mobilenet`.

Source: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: inverted residuals
and linear bottlenecks", arXiv 1801.04381.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.workloads.layers import Convolution, Dense, GlobalAveragePool, Layer, Residual
from benchmarks.workloads.residual import LOSS_TOLERANCE
from benchmarks.workloads.resnet import normalized
from benchmarks.workloads.workload import Optimizer, Workload

STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
"""Expansion, channels and first stride of each stage."""

FIRST_CHANNELS = 32
LAST_CHANNELS = 1280


def mobilenet(
    name: str,
    *,
    image: int,
    scale: float,
    blocks: Sequence[int],
    classes: int,
    batch: int,
    optimizer: Optimizer,
) -> Workload:
    """MobileNetV2 without dropout; it divides the sides of colour images by 32.

    Args:
        image: height and width.
        scale: of all channels, which are rounded to multiples of 8; the last ones never get fewer.
        blocks: of each of the seven stages; 0 leaves a stage out.
        batch: images per step.

    Raises:
        ValueError: another number of stages than seven.
    """
    if len(blocks) != len(STAGES):
        raise ValueError(f"{name}: blocks {blocks} must be {len(STAGES)} numbers, one a stage.")
    channels = _rounded(FIRST_CHANNELS * scale)
    first = Convolution(3, channels, 3, image, stride=2, padding=1, bias=False)
    made = normalized(first, "relu6")
    size = first.output_size
    for (expansion, width, first_stride), amount in zip(STAGES, blocks, strict=True):
        for place in range(amount):
            stride = first_stride if place == 0 else 1
            outputs = _rounded(width * scale)
            made += _block(channels, outputs, size, stride, expansion)
            channels = outputs
            size = (size - 1) // stride + 1
    last = _rounded(LAST_CHANNELS * max(1.0, scale))
    made += normalized(Convolution(channels, last, 1, size, bias=False), "relu6")
    made += [GlobalAveragePool(), Dense(last, classes)]
    return Workload(name, tuple(made), "cross_entropy", batch, optimizer, LOSS_TOLERANCE)


def _block(inputs: int, outputs: int, size: int, stride: int, expansion: int) -> list[Layer]:
    """Widen by a 1x1, filter each channel by a 3x3, narrow by a 1x1; a shortcut where it fits."""
    wide = inputs * expansion
    made: list[Layer] = []
    if expansion != 1:
        made += normalized(Convolution(inputs, wide, 1, size, bias=False), "relu6")
    depthwise = Convolution(wide, wide, 3, size, stride, padding=1, groups=wide, bias=False)
    made += normalized(depthwise, "relu6")
    made += normalized(Convolution(wide, outputs, 1, depthwise.output_size, bias=False), None)
    return [Residual(tuple(made))] if stride == 1 and inputs == outputs else made


def _rounded(width: float) -> int:
    """The nearest multiple of 8, but not less than nine tenths of the width."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
