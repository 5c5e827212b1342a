"""Where images come from: folders, tables, IDX and NPZ files, arrays."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from odd_files import picture, write_classes
from PIL import Image

from steepest.data.images import find_images, prepare_images
from steepest.data.images.arrays import as_pixels, read_idx
from steepest.data.images.collection import UNASSIGNED
from steepest.data.notes import DataWarning, collected_notes
from steepest.errors import ArgumentError, DataError, DTypeError, ShapeError


def idx_bytes(array: np.ndarray) -> bytes:
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    for role, array in (("images-idx3", images), ("labels-idx1", labels)):
        content = gzip.compress(idx_bytes(array), mtime=0)
        (folder / f"{prefix}-{role}-ubyte.gz").write_bytes(content)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "pets", {"dogs": 2, "cats": 3})
    (folder / "cats" / "more").mkdir()
    Image.fromarray(picture(9, 9)).save(folder / "cats" / "more" / "x.JPG")
    for name in (".hidden.png", "Thumbs.db"):
        (folder / "cats" / name).write_bytes(b"x")
    with collected_notes() as notes:
        found = find_images(folder)
    assert notes == []
    assert list(found.names) == [
        *("cats/0.png", "cats/1.png", "cats/2.png", "cats/more/x.JPG"),
        *("dogs/0.png", "dogs/1.png"),
    ]
    assert found.labels == ("cats",) * 4 + ("dogs",) * 2
    assert found.parts.tolist() == [UNASSIGNED] * 6


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Validation", "Testing")])
def test_folders_for_the_parts(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for place, name in enumerate(names):
        write_classes(tmp_path / "pets" / name, {"cats": 1, "dogs": 1}, first_seed=10 * place)
    (tmp_path / "pets" / "notes").mkdir()
    with pytest.warns(DataWarning, match="left out the folder beside: 'notes'"):
        found = find_images(tmp_path / "pets")
    by_name = dict(zip(found.names, found.parts.tolist(), strict=True))
    assert by_name == {
        f"{name}/{label}/0.png": part
        for part, name in enumerate(names)
        for label in ("cats", "dogs")
    }
    assert set(found.labels or ()) == {"cats", "dogs"}


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    """Only a folder of folders is a part, and only beside one for training."""
    folder = write_classes(tmp_path / "things", {"test": 2, "train": 2})
    assert find_images(folder).labels == ("test", "test", "train", "train")


def test_files_that_are_no_images_are_told_of(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "pets", {"dogs": 2, "cats": 2})
    (folder / "cats" / "readme.txt").write_text("hello")
    with pytest.warns(DataWarning) as caught:
        find_images(folder)
    assert str(caught[0].message) == (
        "Left alone 1 file beside the 4 images, which by the name is no image: 'readme.txt'."
    )


def test_folders_without_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pets: there is no such file or folder\.$"):
        find_images(tmp_path / "pets")
    empty = tmp_path / "pets"
    empty.mkdir()
    with pytest.raises(DataError, match=r"holds no folders with images\. Expected is a folder for"):
        find_images(empty)
    Image.fromarray(picture(9, 9)).save(empty / "a.png")
    with pytest.raises(DataError, match=r"holds 1 image but no folders of images\. Put the images"):
        find_images(empty)


def test_a_table_of_paths_and_labels(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "all", {"x": 4})
    frame = pl.DataFrame(
        {
            "id": [7, 8, 9, 10],
            "file": ["x/0.png", "x/1.png", "x/2.png", None],
            "kind": [" b", "a", "b", "a"],
        }
    )
    frame.write_csv(folder / "labels.csv")
    with pytest.warns(DataWarning, match=r"^Left out 1 row without an image or a label\.$"):
        found = find_images(folder / "labels.csv", "kind")
    assert found.labels == ("b", "a", "b")
    assert found.paths == tuple(folder / f"x/{number}.png" for number in range(3))
    frame.write_parquet(folder / "labels.parquet")
    (folder / "labels.csv").unlink()
    with pytest.warns(DataWarning):
        assert find_images(folder, "kind").labels == ("b", "a", "b")


def test_tables_that_are_not_of_images(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"t.csv: no column holds the names of image files"):
        find_images(table)
    table.write_text("a,b,c\n1.png,2,3\n")
    with pytest.raises(ArgumentError, match=r"which column holds the labels\? Beside the images"):
        find_images(table)
    with pytest.raises(ArgumentError, match=r"no column 'bb' for the label. Did you mean 'b'\?"):
        find_images(table, "bb")


def test_idx_files_by_folder_and_by_name(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 10])
    write_idx(tmp_path / "set", "train", images[:4], labels[:4])
    write_idx(tmp_path / "set", "t10k", images[4:], labels[4:])
    found = find_images(tmp_path / "set")
    assert found.pixels is not None
    np.testing.assert_array_equal(found.pixels[..., 0], images)
    assert found.labels == ("0", "1", "2", "0", "1", "10")
    assert found.parts.tolist() == [0, 0, 0, 0, 2, 2]
    assert found.names[5] == "image 6"
    only = find_images(tmp_path / "set" / "train-images-idx3-ubyte.gz")
    assert only.labels == found.labels[:4]


def test_numbers_as_classes_are_sorted_by_size() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)
    prepared = prepare_images(images, [10, 9, 2] * 4, test=0.25)
    assert prepared.classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file: its first bytes are b''"),
        (b"\x89PNG1234", r"is no IDX file: its first bytes are b'\\x89PNG'"),
        (idx_bytes(np.ones((2, 3, 3)))[:-1], "asks for 34 bytes, but it has 33"),
        (b"\0\0\x08\x03\0\0", "the IDX file is damaged"),
        (
            gzip.compress(idx_bytes(np.ones((2, 3, 3))), mtime=0)[:20],
            "the IDX file is damaged",
        ),
        (b"\x1f\x8bxx", "the IDX file cannot be read"),
    ],
    ids=["empty", "another kind", "cut", "short head", "cut gzip", "no gzip"],
)
def test_damaged_idx_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(path)


def test_idx_images_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx_bytes(np.ones((2, 3, 3))))
    with pytest.raises(DataError, match="the file with the labels"):
        find_images(path)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_npz_with_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    labels = np.array([1, 0, 1, 0, 1])
    values = (images[:3], labels[:3], images[3:], labels[3:, None])
    np.savez(tmp_path / "set.npz", **dict(zip(names, values, strict=True)))
    found = find_images(tmp_path / "set.npz")
    np.testing.assert_array_equal(found.pixels, images)
    assert found.labels == ("1", "0", "1", "0", "1")
    assert found.parts.tolist() == [0, 0, 0, 2, 2]


def test_npz_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, cats=np.ones(3))
    with pytest.raises(DataError, match=r"set.npz holds 'cats'; expected are 'images' and"):
        find_images(path)
    np.savez(path, images=np.ones((2, 3, 3)), labels=np.array([{}, 1], object))
    with pytest.raises(DataError, match="holds objects instead of numbers"):
        find_images(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="the NPZ file is damaged"):
        find_images(path)


def test_arrays_in_many_forms() -> None:
    generator = np.random.default_rng(0)
    colour = generator.integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(as_pixels(colour, "a"), colour)
    np.testing.assert_array_equal(as_pixels(np.moveaxis(colour, 3, 1), "a"), colour)
    np.testing.assert_array_equal(as_pixels(colour[..., 0], "a")[..., 0], colour[..., 0])
    np.testing.assert_array_equal(as_pixels(colour.astype(np.float32), "a"), colour)
    np.testing.assert_array_equal(as_pixels(colour.astype(np.int64), "a"), colour)
    np.testing.assert_array_equal(
        as_pixels(colour[..., 0] > 9, "a")[..., 0] == 255, colour[..., 0] > 9
    )
    with pytest.warns(DataWarning, match="numbers from 0 to 1 were scaled"):
        np.testing.assert_array_equal(as_pixels(colour / 255.0, "a"), colour)
    with pytest.warns(DataWarning, match="numbers from 0 to 65535 were scaled"):
        np.testing.assert_array_equal(as_pixels(colour.astype(np.uint16) * 257, "a"), colour)
    four = np.concatenate([colour, colour[..., :1]], axis=3)
    with pytest.warns(DataWarning, match="Left out the fourth channel"):
        np.testing.assert_array_equal(as_pixels(four, "a"), colour)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.ones((3, 4)), ShapeError, r"a \(3, 4\): images are"),
        (np.ones((3, 5, 5, 6)), ShapeError, "neither the last axis"),
        (np.ones((0, 4, 4)), DataError, "is empty"),
        (np.full((2, 4, 4), np.nan), DataError, "holds NaN"),
        (np.full((2, 4, 4), -1), DataError, "holds numbers from -1 to -1"),
        (np.full((2, 4, 4), "x"), DTypeError, "images are numbers"),
    ],
)
def test_arrays_that_are_no_images(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        as_pixels(values, "a")


def test_labels_that_do_not_fit() -> None:
    images = np.zeros((4, 5, 5), np.uint8)
    with pytest.raises(ShapeError, match=r"holds 4 images, but labels of shape \(3,\)"):
        find_images(images, [1, 2, 3])
    with pytest.raises(DTypeError, match="labels are whole numbers or text"):
        find_images(images, [1, 2, 3, 0.5])
    with pytest.raises(ArgumentError, match="must be the name of a table's column, not list"):
        find_images("/", [1, 2])
    with pytest.raises(DataError, match="have no labels to learn"):
        prepare_images(images)
