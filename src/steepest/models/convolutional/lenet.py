"""LeNet-5: two convolutions and three dense layers."""

from __future__ import annotations

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import ShapeError
from steepest.models.convolutional.parts import check_images


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling, for small images.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", 1998; there with sigmoids and trained pooling.

    Args:
        num_classes: outputs.
        in_channels: 1 for grey images, 3 for colour.
        size: height and width of the images, each at least 12.

    Shapes: input (n, in_channels, height, width), output (n, num_classes) logits.
    """

    def __init__(
        self, num_classes: int = 10, in_channels: int = 1, size: tuple[int, int] = (28, 28)
    ):
        super().__init__()
        if min(size) < 12:
            raise ShapeError(f"LeNet: images of {size[0]} x {size[1]} are too small: 12 at least.")
        self.in_channels = in_channels
        self.size = (int(size[0]), int(size[1]))
        height, width = ((side // 2 - 4) // 2 for side in self.size)
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * height * width, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        check_images(x, self.in_channels, "LeNet")
        if tuple(x.shape[2:]) != self.size:
            raise ShapeError(
                f"LeNet: images of {x.shape[2]} x {x.shape[3]}, but it was built for "
                f"{self.size[0]} x {self.size[1]}: LeNet(size=({x.shape[2]}, {x.shape[3]}))."
            )
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.relu(self.fc1(x.flatten(1)))
        return self.fc3(self.relu(self.fc2(x)))
