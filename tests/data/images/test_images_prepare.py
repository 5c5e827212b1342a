"""Decoding many files, the cache, sizes, the split, and data sets that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from odd_files import picture, png_header_only, write_classes
from PIL import Image

from steepest.data.images import decoding, prepare_images
from steepest.data.images.cache import cache_key, load
from steepest.data.images.decoding import decode_files
from steepest.data.images.sizes import choose_size
from steepest.data.images.split import duplicates, split_images
from steepest.errors import ArgumentError, DataError


def test_sizes_are_medians_with_a_limit() -> None:
    assert choose_size([(28, 28)] * 3) == (28, 28)
    assert choose_size([(20, 60)]) == (20, 60)
    assert choose_size([(480, 640), (480, 600), (3000, 20)]) == (80, 96)
    assert choose_size([(100, 110), (90, 130), (100, 115)]) == (96, 96)
    assert choose_size([(480, 640)] * 2, largest=224) == (168, 224)
    assert choose_size([(30, 31), (33, 31)]) == (31, 31)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_file_becomes_its_row(tmp_path: Path, workers: int) -> None:
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(picture(8, 8, number)).save(paths[-1])
    paths[3].write_bytes(b"")
    paths[11].write_bytes(paths[11].read_bytes()[:60])
    decoded = decode_files(
        paths, size=None, channels=None, largest=96, cache_folder=None, workers=workers
    )
    assert decoded.kept.tolist() == [each for each in range(20) if each not in (3, 11)]
    for row, place in enumerate(decoded.kept.tolist()):
        np.testing.assert_array_equal(decoded.pixels[row], picture(8, 8, place))
    assert [place for place, _, _ in decoded.refused] == [3, 11]


def decode_cached(paths: list[Path], folder: Path) -> np.ndarray:
    return decode_files(paths, size=None, channels=None, largest=96, cache_folder=folder).pixels


def test_the_cache_is_used_and_remade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_classes(tmp_path / "pets", {"a": 6})
    paths = sorted((source / "a").iterdir())
    paths[2].write_bytes(b"no image")
    folder = tmp_path / "cache"
    first = decode_cached(paths, folder)
    assert isinstance(first, np.memmap)
    assert not first.flags.writeable
    assert len(first) == 5
    first = np.array(first)  # the file below it is about to be damaged
    (array,) = folder.glob("*.npy")
    (document,) = folder.glob("*.json")
    assert sorted(folder.iterdir()) == sorted([array, document])
    np.testing.assert_array_equal(np.load(array), first)

    calls = []
    original = decoding.decode
    monkeypatch.setattr(decoding, "decode", lambda *each: calls.append(each) or original(*each))
    np.testing.assert_array_equal(decode_cached(paths, folder), first)
    assert calls == []

    whole = array.read_bytes()
    text = document.read_text()
    damages = {
        array: [whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b"", whole[:50]],
        document: [
            text[:-9].encode(),
            b"[]",
            b"",
            text.replace('"kept": [0', '"kept": [9').encode(),
        ],
    }
    for path, contents in damages.items():
        for content in contents:
            path.write_bytes(content)
            calls.clear()
            np.testing.assert_array_equal(decode_cached(paths, folder), first)
            assert len(calls) == 5
    for path in damages:
        path.unlink()
        calls.clear()
        np.testing.assert_array_equal(decode_cached(paths, folder), first)
        assert len(calls) == 5


def test_a_changed_file_or_wish_has_another_cache(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "pets", {"a": 3})
    paths = sorted((source / "a").iterdir())
    key = cache_key(paths, {"size": (8, 8)})
    assert cache_key(paths, {"size": (8, 8)}) == key
    assert cache_key(paths, {"size": (9, 8)}) != key
    assert cache_key(paths[:2], {"size": (8, 8)}) != key
    os.utime(paths[0], ns=(0, 0))
    later = cache_key(paths, {"size": (8, 8)})
    assert later != key
    paths[0].unlink()
    assert cache_key(paths, {"size": (8, 8)}) not in (key, later)
    assert load(tmp_path, key) is None


def test_a_cache_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "pets", {"a": 3})
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    pixels = decode_cached(sorted((source / "a").iterdir()), blocked / "cache")
    assert pixels.shape == (3, 12, 12, 3)


def test_an_interrupted_cache_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_classes(tmp_path / "pets", {"a": 3})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding, "_fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decode_cached(sorted((source / "a").iterdir()), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_everything_in_one_call(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "pets", {"dogs": 20, "cats": 30})
    (folder / "dogs" / "00.png").write_bytes(png_header_only(60_000, 60_000))
    (folder / "dogs" / "01.png").write_bytes(b"")
    (folder / "dogs" / "02.png").write_bytes(b"")
    Image.fromarray(picture(12, 12)).convert("LA").save(folder / "cats" / "grey.png")
    again = folder / "cats" / "copy.png"
    again.write_bytes((folder / "dogs" / "5.png").read_bytes())
    prepared = prepare_images(folder, seed=3, cache_folder=tmp_path / "cache")
    assert prepared.notes == (
        "Left out 1 file that has more than 80 million pixels, or would need too much memory: "
        "'dogs/00.png'.",
        "Left out 2 files that are empty files: 'dogs/01.png' and 'dogs/02.png'.",
        "1 image has transparent parts, which become white ('cats/grey.png').",
        "1 image repeats an earlier one; duplicates stay in the same part of the data; 1 of them "
        "with another label than the first.",
    )
    assert prepared.refused[1] == "01.png: the file is empty."
    assert prepared.classes == ("cats", "dogs")
    assert prepared.size == (12, 12)
    assert prepared.channels == 3
    assert len(prepared.images) == len(prepared.names) == 52
    sizes = [len(part) for part in (prepared.train, prepared.validation, prepared.test)]
    assert sum(sizes) == 52
    assert sizes[2] in (10, 11)
    shares = [prepared.codes[part].mean() for part in (prepared.train, prepared.test)]
    assert abs(shares[0] - shares[1]) < 0.1
    numbers = prepared.images[prepared.train].reshape(-1, 3).astype(float)
    np.testing.assert_allclose(prepared.mean, numbers.mean(0))
    np.testing.assert_allclose(prepared.deviation, numbers.std(0))


def test_parts_of_the_source_are_kept(tmp_path: Path) -> None:
    write_classes(tmp_path / "pets" / "train", {"a": 20, "b": 20})
    write_classes(tmp_path / "pets" / "test", {"a": 3, "b": 3}, first_seed=100)
    prepared = prepare_images(tmp_path / "pets", cache_folder=None, validation=0.1)
    assert all(prepared.names[place].startswith("test/") for place in prepared.test)
    assert len(prepared.test) == 6
    assert len(prepared.validation) == 4
    assert not isinstance(prepared.images, np.memmap)


def test_the_split_keeps_classes_and_duplicates_together() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (300, 4, 4, 1), dtype=np.uint8)
    images[200:] = images[generator.integers(0, 200, 100)]
    codes = np.where(np.arange(300) % 200 < 40, 1, 0)
    unassigned, units = np.full(300, -1), duplicates(images)
    parts = split_images(codes, unassigned, units, validation=0.1, test=0.2, seed=5)
    assert (
        parts.tolist()
        == split_images(codes, unassigned, units, validation=0.1, test=0.2, seed=5).tolist()
    )
    other = split_images(codes, unassigned, units, validation=0.1, test=0.2, seed=6)
    assert parts.tolist() != other.tolist()
    for unit in np.unique(units):
        assert len(set(parts[units == unit])) == 1
    for code in (0, 1):
        shares = np.bincount(parts[codes == code], minlength=3) / (codes == code).sum()
        np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.03)


def test_a_class_of_one_image_is_learned_from() -> None:
    images = np.random.default_rng(0).integers(0, 256, (11, 4, 4), dtype=np.uint8)
    prepared = prepare_images(images, ["rare", *["often"] * 10])
    assert 0 in prepared.train
    assert prepared.notes[-1] == (
        "2 classes have fewer than 10 training images: often (7), rare (1); expect poor "
        "predictions of them."
    )


def test_data_sets_that_cannot_be_used(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "pets", {"cats": 5})
    with pytest.raises(DataError, match=r"^pets holds only the class 'cats'; at least two classes"):
        prepare_images(folder, cache_folder=None)
    write_classes(folder, {"dogs": 1})
    for path in (folder / "cats").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"only the class 'dogs' \(5 files could not be used\)"):
        prepare_images(folder, cache_folder=None)
    (folder / "dogs" / "0.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"none of the 6 files can be used. The first: 0.png: the file is empty.$"
    ):
        prepare_images(folder, cache_folder=None)
    images = np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(DataError, match="holds 2 images; at least 4 are needed"):
        prepare_images(images, [0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be a side"),
        ({"size": (8, 9, 10)}, "size must be a side"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"test": 1.0}, "test must be a share"),
        ({"test": 0.6, "validation": 0.5}, "leave no images to train on"),
    ],
)
def test_wrong_arguments(options: dict[str, object], message: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (11, 4, 4), dtype=np.uint8)
    with pytest.raises(ArgumentError, match=message):
        prepare_images(images, [0, 1] * 5 + [0], **options)  # type: ignore[arg-type]


def test_arrays_are_scaled_and_coloured_when_asked() -> None:
    images = np.stack([picture(12, 12, seed) for seed in range(8)])
    prepared = prepare_images(images, [0, 1] * 4, size=(6, 8), channels=1)
    assert prepared.images.shape == (8, 6, 8, 1)
    grey = prepare_images(images[..., :1], [0, 1] * 4, channels=3)
    np.testing.assert_array_equal(grey.images, np.repeat(images[..., :1], 3, axis=3))


def test_pillow_is_imported_late_and_named_when_missing() -> None:
    import subprocess
    import sys

    code = """
import sys
sys.modules['PIL'] = None
import numpy as np
from steepest.data.images import prepare_images
images = np.random.default_rng(0).integers(0, 256, (8, 5, 5), dtype=np.uint8)
print(prepare_images(images, [0, 1] * 4).size, 'polars' in sys.modules)
from steepest.data.images.decode import probe
from pathlib import Path
probe(Path('x.png'))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "(5, 5) False\n"
    assert done.stderr.splitlines()[-1].endswith(
        "this needs the package 'PIL', which is not installed. Install it with: pip install "
        "'steepest[images]'"
    )
