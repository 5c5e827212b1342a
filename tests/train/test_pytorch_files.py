"""Files of `torch.save` read without PyTorch: both forms, all types, and harmful files."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steepest import models
from steepest.errors import CheckpointError
from steepest.train.pytorch_files import read_pytorch

Saved = Callable[..., Path]


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Saved:
    """Saves an object by PyTorch, in each of its two forms."""

    def save(value: Any, name: str = "weights.pth") -> Path:
        path = tmp_path / name
        torch.save(value, path, _use_new_zipfile_serialization=request.param)
        return path

    return save


def test_all_types(saved: Saved) -> None:
    torch.manual_seed(0)
    numbers = torch.randn(3, 4)
    tensors = {
        "float": numbers,
        "double": numbers.double(),
        "half": numbers.half(),
        "bfloat": numbers.bfloat16(),
        "char": torch.arange(-3, 3, dtype=torch.int8),
        "short": torch.arange(-3, 3, dtype=torch.int16),
        "int": torch.arange(6, dtype=torch.int32),
        "long": torch.tensor(2**40),
        "byte": torch.arange(250, 256, dtype=torch.uint8),
        "bool": torch.tensor([[True], [False]]),
        "empty": torch.empty(0, 3),
    }
    found = read_pytorch(saved(tensors))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        wide = tensor.float() if name in ("half", "bfloat") else tensor
        read = np.asarray(found[name].numpy())
        if name == "bfloat":
            assert found[name].dtype.name == "bfloat16"
            read = read.astype(np.float32)
        np.testing.assert_array_equal(read, wide.numpy())
        assert read.dtype == wide.numpy().dtype


def test_views_share_a_storage(saved: Saved) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "base": base,
        "turned": base.T,
        "corner": base[1:3, 2:5],
        "every other": base[:, ::2],
        "repeated": torch.ones(1).expand(1, 1),
    }
    found = read_pytorch(saved(tensors))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name].numpy(), tensor.numpy())


def test_a_checkpoint_in_a_dictionary(saved: Saved) -> None:
    layer = torch.nn.Linear(2, 3)
    checkpoint = {"epoch": 7, "note": "best", "model": layer.state_dict(), "p": layer.weight}
    found = read_pytorch(saved(checkpoint))
    assert list(found) == ["model.weight", "model.bias", "p"]
    np.testing.assert_array_equal(found["p"].numpy(), layer.weight.detach().numpy())


def test_weights_go_into_a_network(saved: Saved) -> None:
    """A network of PyTorch with the same names gives the same outputs."""
    torch.manual_seed(1)
    source = {
        name: torch.randn(tuple(value.shape))
        for name, value in models.LeNet(4).state_dict().items()
    }
    network = models.LeNet(4)
    network.load_state_dict(read_pytorch(saved(source)))
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), source[name].numpy())


class Harmful:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_is_not_run(saved: Saved, tmp_path: Path) -> None:
    victim = tmp_path / "made"
    path = saved({"weight": torch.ones(2), "more": Harmful(victim)})
    with pytest.raises(CheckpointError) as caught:
        read_pytorch(path)
    assert str(caught.value) == (
        f"read_pytorch: {str(path)!r} asks for {os.mkdir.__module__}.mkdir. Only files of tensors "
        "are read, because others could run code: save model.state_dict(), not the model."
    )
    assert not victim.exists()
    with pytest.raises(CheckpointError, match=r"asks for torch.nn.modules.linear.Linear"):
        read_pytorch(saved(torch.nn.Linear(2, 2), "model.pth"))


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(V1+1\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"ctorch._utils\n_rebuild_tensor\n.",
        b"ccollections\nCounter\n.",
        b"ctorch\nload\n(V/etc/passwd\ntR.",
    ],
)
def test_names_that_are_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "bad.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    with pytest.raises(CheckpointError, match="asks for"):
        read_pytorch(path)


def rebuilt(
    storage_length: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> bytes:
    """A pickle of one tensor with the given place in its storage."""

    class Storage:
        pass

    class Writer(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            if isinstance(value, Storage):
                return ("storage", torch.FloatStorage, "0", "cpu", storage_length)
            return None

    class View:
        def __reduce__(self) -> tuple[Any, ...]:
            arguments = (Storage(), offset, shape, strides, False, None)
            return torch._utils._rebuild_tensor_v2, arguments

    file = io.BytesIO()
    Writer(file, protocol=2).dump({"x": View()})
    return file.getvalue()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((4, 0, (5,), (1,)), "reaches beyond its storage"),
        ((4, 2, (2, 2), (2, 1)), "reaches beyond its storage"),
        ((4, 0, (100_000, 4), (0, 1)), "larger than its storage"),
        ((4, -1, (2,), (1,)), "impossible shape"),
        ((4, 3, (2,), (-1,)), "impossible shape"),
        ((4, 0, (2,), (1, 1)), "something that is no storage"),
        ((8, 0, (2,), (1,)), "has 16 bytes"),
        ((1 << 50, 0, (2,), (1,)), "has 16 bytes"),
    ],
)
def test_tensors_outside_their_storage(
    tmp_path: Path, place: tuple[Any, ...], message: str
) -> None:
    path = tmp_path / "bad.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", rebuilt(*place))
        archive.writestr("archive/data/0", np.arange(4, dtype=np.float32).tobytes())
    with pytest.raises(CheckpointError, match=message):
        read_pytorch(path)


def test_damaged_files(saved: Saved) -> None:
    path = saved({"weight": torch.arange(1000.0)})
    content = path.read_bytes()
    for cut in (0, 1, 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(CheckpointError, match=r"read_pytorch: .*weights\.pth"):
            read_pytorch(path)
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[generator.integers(0, 400, 3)] = generator.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            read_pytorch(path)
        except CheckpointError as error:
            assert "weights.pth" in str(error)  # noqa: PT017


def test_files_of_others(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot read .*: No such file or directory"):
        read_pytorch(tmp_path / "absent.pth")
    path = tmp_path / "text.pth"
    path.write_text("hello")
    with pytest.raises(CheckpointError, match="is no PyTorch file of weights, or is damaged"):
        read_pytorch(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds no dictionary of tensors"):
        read_pytorch(path)
