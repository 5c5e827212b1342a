"""Convolutional networks against torchvision's names, shapes and outputs, and against PyTorch.

torchvision does not load beside PyTorch's build for processors alone, so what it gives was recorded
from torchvision 0.28: a hash of all names and shapes, and the first outputs for weights and images
that `numbered_weights` and `images` make of counters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

import steepest as st
from steepest import models, nn
from steepest.errors import ArgumentError, CheckpointError, ShapeError
from steepest.models.convolutional.efficientnet import renamed_from_lukemelas
from steepest.models.convolutional.parts import PaddedConvolution
from steepest.models.convolutional.resnet import ChannelFill


def numbered_weights(state: Mapping[str, st.Tensor]) -> dict[str, np.ndarray]:
    """Weights that anyone can make again: Philox by the place of the name in the alphabet."""
    weights: dict[str, np.ndarray] = {}
    for number, (name, value) in enumerate(sorted(state.items())):
        random = np.random.Generator(np.random.Philox(number))
        shape = tuple(value.shape)
        if not shape:
            weights[name] = np.array(0)
            continue
        fan = max(1, int(np.prod(shape[1:])))
        numbers = random.random(shape, dtype=np.float32)
        if name.endswith("running_var"):
            weights[name] = np.ones(shape, np.float32) + random.random(shape, dtype=np.float32)
        elif len(shape) == 1:
            least = np.float32(0.5 if name.endswith("weight") else -0.25)
            weights[name] = numbers * np.float32(0.5) + least
        else:
            weights[name] = (numbers - np.float32(0.5)) * np.float32(2 * np.sqrt(3 / fan))
    return weights


def images() -> np.ndarray:
    """(2, 3, 64, 64) from -1 to 1."""
    random = np.random.Generator(np.random.Philox(99))
    return (random.random((2, 3, 64, 64), dtype=np.float32) - np.float32(0.5)) * 2


def digest(model: nn.Module) -> str:
    """A hash of all names and shapes, in their order."""
    lines = [f"{name} {tuple(value.shape)}\n" for name, value in model.state_dict().items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


@pytest.fixture
def without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves weights zero, which for networks of 100 million of them saves half a minute."""
    for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize(
    ("build", "parameters", "expected"),
    [
        (lambda: models.ResNet(18), 11_689_512, "761022b221a39ceb"),
        (lambda: models.ResNet(34), 21_797_672, "1a060acae7a42530"),
        (lambda: models.ResNet(50), 25_557_032, "3fa57287149b51c4"),
        (lambda: models.MobileNetV2(), 3_504_872, "5c45000c8dea04db"),
        (lambda: models.VGG(16, batch_norm=True), 138_365_992, "5f99e428d932f79e"),
    ],
)
def test_names_and_shapes_are_torchvisions(
    build: Callable[[], nn.Module], parameters: int, expected: str
) -> None:
    model = build()
    assert sum(each.size for each in model.parameters()) == parameters
    assert digest(model) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: models.ResNet(18), [-0.2163768, -0.1410936, -0.2012734]),
        (lambda: models.ResNet(50), [-0.2819745, -0.2669759, -0.1447769]),
        (lambda: models.MobileNetV2(), [-0.1205826, -0.326313, 0.287185]),
    ],
)
@pytest.mark.usefixtures("without_drawing")
def test_outputs_are_torchvisions(build: Callable[[], nn.Module], expected: list[float]) -> None:
    model = build()
    model.load_state_dict(numbered_weights(model.state_dict()))
    model.eval()
    with st.no_grad():
        found = model(st.asarray(images())).numpy()
    assert found.shape == (2, 1000)
    np.testing.assert_allclose(found[0, :3], expected, rtol=1e-5, atol=1e-6)


class TorchBlock(torch.nn.Module):
    """A block of the CIFAR form, in PyTorch."""

    def __init__(self, wide: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(wide, width, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.stride, self.extra = stride, (width - wide) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = x[:, :, :: self.stride, :: self.stride]
        shortcut = torch.nn.functional.pad(kept, (0, 0, 0, 0, self.extra, self.extra))
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + shortcut)


class TorchResNet20(torch.nn.Module):
    """ResNet-20 for CIFAR as section 4.2 of the paper has it, in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(16)
        wide = 16
        for stage, width in enumerate((16, 32, 64)):
            blocks = []
            for place in range(3):
                blocks.append(TorchBlock(wide, width, 2 if stage and not place else 1))
                wide = width
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*blocks))
        self.fc = torch.nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def test_the_form_for_cifar_against_pytorch() -> None:
    """Outputs in training, the statistics that they leave, and gradients."""
    model, other = models.ResNet(20, num_classes=10), TorchResNet20()
    assert sum(each.size for each in model.parameters()) == 269_722
    assert list(model.state_dict()) == list(other.state_dict())
    weights = numbered_weights(model.state_dict())
    model.load_state_dict(weights)
    other.load_state_dict({name: torch.from_numpy(np.array(v)) for name, v in weights.items()})
    x = images()[:, :, :16, :16]
    labels = np.array([3, 7])
    output = model(st.asarray(x))
    nn.functional.cross_entropy(output, st.asarray(labels)).backward()
    expected = other(torch.from_numpy(x.copy()))
    torch.nn.functional.cross_entropy(expected, torch.from_numpy(labels)).backward()
    np.testing.assert_allclose(output.numpy(), expected.detach().numpy(), rtol=2e-4, atol=2e-4)
    gradients = {name: each.grad for name, each in other.named_parameters()}
    for name in ("conv1.weight", "layer2.0.conv1.weight", "layer3.2.bn2.bias", "fc.weight"):
        found = dict(model.named_parameters())[name].grad
        assert found is not None
        wanted = gradients[name]
        assert wanted is not None
        scale = float(wanted.abs().max())
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-3 * scale)
    np.testing.assert_allclose(
        model.state_dict()["layer3.2.bn2.running_var"].numpy(),
        other.state_dict()["layer3.2.bn2.running_var"].numpy(),
        rtol=1e-4,
    )


@pytest.mark.usefixtures("without_drawing")
def test_sizes_of_other_networks() -> None:
    def size(model: nn.Module) -> int:
        return sum(each.size for each in model.parameters())

    assert size(models.LeNet()) == 61_706
    assert size(models.ResNet(56, num_classes=10)) == 853_018
    assert size(models.EfficientNet("lite0")) == 4_652_008


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (5, 1), (2, 1)])
def test_tensorflow_padding(size: int, kernel: int, stride: int) -> None:
    """ceil(size / stride) positions; more zeros at the end, as an explicit padding in PyTorch."""
    layer = PaddedConvolution(2, 3, kernel, stride=stride, padding=0)
    x = np.random.default_rng(0).normal(size=(1, 2, size, size + 1)).astype(np.float32)
    pads = []
    for side in (size + 1, size):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    assert layer.bias is not None
    expected = torch.nn.functional.conv2d(
        torch.nn.functional.pad(torch.from_numpy(x), pads),
        torch.from_numpy(np.asarray(layer.weight).copy()),
        torch.from_numpy(np.asarray(layer.bias).copy()),
        stride=stride,
    )
    found = layer(st.asarray(x)).detach().numpy()
    assert found.shape[2:] == (-(-size // stride), -(-(size + 1) // stride))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_shortcut_without_parameters() -> None:
    x = np.arange(2 * 2 * 3 * 3, dtype=np.float32).reshape(2, 2, 3, 3)
    found = ChannelFill(3, 2)(st.asarray(x)).numpy()
    assert found.shape == (2, 5, 2, 2)
    np.testing.assert_array_equal(found[:, 1:3], x[:, :, ::2, ::2])
    assert not found[:, [0, 3, 4]].any()


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: models.LeNet(4, 3, (20, 16)), (2, 3, 20, 16)),
        (lambda: models.ResNet(18, 4, 1, small_start=True), (1, 1, 16, 16)),
        (lambda: models.MobileNetV2(4, 1, width_mult=0.35), (1, 1, 32, 33)),
        (lambda: models.EfficientNet("lite0", 4), (1, 3, 32, 40)),
    ],
)
@pytest.mark.usefixtures("without_drawing")
def test_other_sizes_channels_and_classes(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    model = build()
    model.eval()
    with st.no_grad():
        assert model(st.zeros(shape)).shape == (shape[0], 4)


def test_messages() -> None:
    with pytest.raises(ArgumentError, match=r"^ResNet: depth must be one of 18, 34, 50, 20, 32,"):
        models.ResNet(19)
    with pytest.raises(
        ArgumentError, match=r"^VGG: depth must be one of 11, 13, 16, 19, not 12\.$"
    ):
        models.VGG(12)
    with pytest.raises(ArgumentError, match=r"^EfficientNet: form must be one of 'lite0', not"):
        models.EfficientNet("b0")
    with pytest.raises(
        ShapeError, match=r"^ResNet: input \(2, 1, 8, 8\) must be \(n, 3, height, width\): images"
    ):
        models.ResNet(20)(st.zeros((2, 1, 8, 8)))
    with pytest.raises(ShapeError, match=r"was built for 28 x 28: LeNet\(size=\(20, 28\)\)\.$"):
        models.LeNet()(st.zeros((1, 1, 20, 28)))
    with pytest.raises(ShapeError, match="too small: 12 at least"):
        models.LeNet(size=(8, 28))
    with pytest.raises(AttributeError, match=r"no attribute 'Resnet'. Did you mean 'ResNet'\?"):
        models.Resnet  # noqa: B018


def test_names_of_the_pretrained_files() -> None:
    """Every name of the network is the new name of exactly one of theirs."""
    names = [name for name, _ in models.EfficientNet("lite0").named_parameters()]
    theirs = ["_conv_stem.weight", "_blocks.0._depthwise_conv.weight", "_fc.bias"]
    theirs += ["_blocks.0._bn2.bias", "_blocks.15._expand_conv.weight", "_blocks.3._bn0.weight"]
    ours = renamed_from_lukemelas(dict.fromkeys(theirs))
    assert list(ours) == [
        *("features.0.0.weight", "features.1.0.block.0.0.weight", "classifier.1.bias"),
        *("features.1.0.block.1.1.bias", "features.7.0.block.0.0.weight"),
        "features.3.0.block.0.1.weight",
    ]
    assert set(ours) <= set(names)
    for name in ("_blocks.16._bn1.bias", "_blocks.0._se.weight", "stem.weight"):
        with pytest.raises(CheckpointError, match="which lite0 does not have"):
            renamed_from_lukemelas({name: 0})


def test_importing_models_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = """
import sys
from steepest import models
print(sorted({'polars', 'PIL', 'llvmlite', 'steepest.nn', 'steepest.train'} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
