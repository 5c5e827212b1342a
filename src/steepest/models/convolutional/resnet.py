"""Residual networks.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", arXiv
1512.03385. As in torchvision, the stride of a bottleneck is in its 3x3 convolution.
"""

from __future__ import annotations

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.models.convolutional.parts import check_choice, check_images, initialize

LARGE_FORMS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks in each of four stages, by depth: the forms for ImageNet."""

SMALL_FORMS = {20: 3, 32: 5, 44: 7, 56: 9}
"""Blocks in each of three stages, by depth: the forms for CIFAR."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        in_channels, channels: of input and output.
        stride: of the first convolution.
        projects: whether a shortcut that changes the shape is a 1x1 convolution; else it leaves out
            positions and fills up with channels of zeros, which has no parameters.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, projects: bool = True):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(in_channels, channels, stride, projects)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution beside a shortcut; arguments as `BasicBlock`.

    It puts out four times `channels`.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, projects: bool = True):
        super().__init__()
        wide = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(in_channels, wide, stride, projects)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ChannelFill(nn.Module):
    """The shortcut without parameters: every `stride`-th position, and channels of zeros."""

    def __init__(self, extra_channels: int, stride: int):
        super().__init__()
        self.extra_channels = extra_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        kept = x[:, :, :: self.stride, :: self.stride]
        before = self.extra_channels // 2
        behind = self.extra_channels - before
        return nn.functional.pad(kept, (0, 0, 0, 0, before, behind))


class ResNet(nn.Module):
    """A residual network.

        models.ResNet(18)                       # for photographs, as in torchvision
        models.ResNet(20, num_classes=10)       # for images of about 32 x 32

    Depths 18, 34 and 50 begin with a 7x7 convolution and pooling, which divide each side by 4, and
    have torchvision's parameter names and shapes. Depths 20, 32, 44 and 56 are the forms for CIFAR:
    three stages of 16, 32 and 64 channels at full, half and quarter size, with shortcuts without
    parameters.

    Args:
        depth: layers with weights.
        num_classes: outputs.
        in_channels: 1 for grey images, 3 for colour.
        small_start: for depths 18, 34 and 50: begin with a 3x3 convolution of stride 1 and no
            pooling, for images below about 100 pixels.

    Shapes: input (n, in_channels, height, width), output (n, num_classes) logits.
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        small_start: bool = False,
    ):
        super().__init__()
        check_choice(depth, (*sorted(LARGE_FORMS), *SMALL_FORMS), "ResNet", "depth")
        self.in_channels = in_channels
        is_large = depth in LARGE_FORMS
        self.keeps_size = small_start or not is_large
        block = Bottleneck if depth == 50 else BasicBlock
        channels = 64 if is_large else 16
        amounts = LARGE_FORMS[depth] if is_large else (SMALL_FORMS[depth],) * 3
        if self.keeps_size:
            self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if self.keeps_size else nn.MaxPool2d(3, stride=2, padding=1)
        wide = channels
        self._stages = []
        for stage, amount in enumerate(amounts):
            blocks = []
            for place in range(amount):
                stride = 2 if stage > 0 and place == 0 else 1
                blocks.append(block(wide, channels << stage, stride, projects=is_large))
                wide = (channels << stage) * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self._stages.append(f"layer{stage + 1}")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(wide, num_classes)
        bound = self.fc.in_features**-0.5
        initialize(self)
        nn.init.uniform_(self.fc.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        check_images(x, self.in_channels, "ResNet")
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self._stages:
            x = getattr(self, name)(x)
        return self.fc(self.avgpool(x).flatten(1))


def _shortcut(in_channels: int, channels: int, stride: int, projects: bool) -> nn.Module | None:
    """What brings a block's input to the shape of its output; None where they are alike."""
    if stride == 1 and in_channels == channels:
        return None
    if not projects:
        return ChannelFill(channels - in_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
    )
