"""What convolutional networks are built from."""

from __future__ import annotations

from collections.abc import Sequence

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError


def normalized_convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
    eps: float = 1e-5,
    tensorflow_padding: bool = False,
) -> nn.Sequential:
    """A convolution without bias, batch normalisation, and an activation if one is given.

    Its parts are named `0`, `1` and `2`, as in torchvision's `Conv2dNormActivation`.

    Args:
        tensorflow_padding: pad so that the output has ceil(input / stride) positions, as
            TensorFlow does, more at the end than at the start; else half the kernel on all sides.
    """
    layer = PaddedConvolution if tensorflow_padding else nn.Conv2d
    convolution = layer(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=0 if tensorflow_padding else kernel_size // 2,
        groups=groups,
        bias=False,
    )
    parts = [convolution, nn.BatchNorm2d(out_channels, eps=eps)]
    return nn.Sequential(*parts, *([activation] if activation is not None else []))


class PaddedConvolution(nn.Conv2d):
    """A convolution padded with zeros as TensorFlow's `SAME`: to ceil(size / stride) positions.

    Where the padding is odd, one more zero stands at the end. Parameters as `nn.Conv2d`, whose
    `padding` must be 0.
    """

    def forward(self, input: Tensor) -> Tensor:
        sides: list[int] = []
        for size, kernel, stride in zip(
            input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(input, sides))


def check_images(x: Tensor, channels: int, network: str) -> None:
    """Refuse an input that is no batch of images.

    Raises:
        ShapeError: with the shape that was expected.
    """
    if len(x.shape) != 4 or x.shape[1] != channels:
        raise ShapeError(
            f"{network}: input {tuple(x.shape)} must be (n, {channels}, height, width): images "
            f"with {channels} channel{'s' if channels > 1 else ''}."
        )


def initialize(network: nn.Module, deviation: float = 0.01) -> None:
    """Draw first weights as torchvision does for networks with batch normalisation.

    Convolutions by He's normal distribution over the fan-out, dense layers from a normal
    distribution, biases zero.

    Args:
        deviation: standard deviation of the weights of dense layers.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def check_choice(value: object, choices: Sequence[object], network: str, role: str) -> None:
    """Refuse a form of a network that does not exist."""
    if value not in choices:
        shown = ", ".join(map(repr, choices))
        raise ArgumentError(f"{network}: {role} must be one of {shown}, not {value!r}.")
