"""Image files one by one: what is read from them, and what refused files are told."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from odd_files import picture, png_header_only, save_animation
from PIL import Image

from steepest.data.images.decode import RefusedImageError, decode, probe

SIZE = (16, 20)
PICTURE = picture(*SIZE)
GREY = np.asarray(Image.fromarray(PICTURE).convert("L"))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm", ".tga"])
def test_formats_without_loss_give_the_pixels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(PICTURE).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(decode(path, SIZE, 3), PICTURE)
    np.testing.assert_array_equal(decode(path, SIZE, 1)[:, :, 0], GREY)
    facts = probe(path)
    assert (facts.height, facts.width, facts.is_grey, facts.remarks) == (16, 20, False, ())


def test_the_ending_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(PICTURE).save(path, format="PNG")
    np.testing.assert_array_equal(decode(path, SIZE, 3), PICTURE)


def test_large_images_are_scaled_and_cut_evenly(tmp_path: Path) -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    assert (decode(path, (10, 10), 3) == 200).all()
    tall = decode(path, (20, 60), 3)
    assert (tall[:, 21:39] == 200).all()
    assert (tall[:, :19] == 0).all()


def test_jpegs_are_close_at_every_size(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(picture(256, 320)).save(path, quality=95)
    for size in ((16, 20), (64, 80), (256, 320)):
        expected = picture(*size).astype(int)
        assert np.abs(decode(path, size, 3) - expected).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    """Every orientation shows the upright picture; the eight stored forms are made by NumPy."""
    stored = {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.transpose(1, 0, 2),
        6: np.rot90(PICTURE),
        7: PICTURE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(PICTURE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    facts = probe(path)
    assert (facts.height, facts.width) == SIZE
    np.testing.assert_array_equal(decode(path, SIZE, 3), PICTURE)


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    for suffix in (".png", ".tif"):
        path = tmp_path / f"deep{suffix}"
        Image.fromarray(GREY.astype(np.uint16) * 257).save(path)
        np.testing.assert_array_equal(decode(path, SIZE, 1)[:, :, 0], GREY)
        assert probe(path).remarks == ("have 16 bits a pixel, which are scaled to 8",)


def test_palettes(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    image = Image.fromarray(PICTURE).quantize(64)
    image.save(path)
    np.testing.assert_array_equal(decode(path, SIZE, 3), np.asarray(image.convert("RGB")))
    assert not probe(path).is_grey
    Image.fromarray(GREY).convert("P").save(path)
    assert probe(path).is_grey
    np.testing.assert_array_equal(decode(path, SIZE, 1)[:, :, 0], GREY)


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_transparent_parts_become_white(tmp_path: Path) -> None:
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:, :10] = 0
    expected = PICTURE.copy()
    expected[:, :10] = 255
    path = tmp_path / "clear.png"
    Image.fromarray(np.dstack([PICTURE, alpha])).save(path)
    np.testing.assert_array_equal(decode(path, SIZE, 3), expected)
    assert probe(path).remarks == ("have transparent parts, which become white",)
    Image.fromarray(np.dstack([GREY, alpha]), "LA").save(path)
    assert (decode(path, SIZE, 1)[:, :10] == 255).all()
    palette = Image.fromarray(np.tile(np.arange(20, dtype=np.uint8), (16, 1))).convert("P")
    palette.save(path, transparency=3)
    assert (decode(path, SIZE, 3)[:, 3] == 255).all()
    assert (decode(path, SIZE, 3)[:, 4] == 4).all()


def test_cmyk_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    Image.fromarray(PICTURE).convert("CMYK").save(path, quality=100)
    assert np.abs(decode(path, SIZE, 3).astype(int) - PICTURE).mean() < 8
    assert probe(path).remarks == (
        "are in CMYK colours, which are converted to red, green and blue",
    )


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "moving.png"
    save_animation(path, [PICTURE, 255 - PICTURE, PICTURE // 2])
    np.testing.assert_array_equal(decode(path, SIZE, 3), PICTURE)
    assert probe(path).remarks == ("have more than one frame; the first is used",)


def test_one_bit_images(tmp_path: Path) -> None:
    path = tmp_path / "bits.png"
    Image.fromarray(GREY > 127).save(path)
    np.testing.assert_array_equal(decode(path, SIZE, 1)[:, :, 0], (GREY > 127) * 255)
    assert probe(path).is_grey


def refusal(path: Path) -> tuple[str, str]:
    """The kind and the message with which a file is refused, whether by probe or by decode."""
    try:
        probe(path)
    except RefusedImageError as error:
        return error.kind, str(error)
    with pytest.raises(RefusedImageError) as caught:
        decode(path, SIZE, 3)
    return caught.value.kind, str(caught.value)


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    assert refusal(path) == ("are empty files", "a.png: the file is empty.")
    path.write_bytes(b"hello, this is no image")
    assert refusal(path) == (
        "are no images that can be read",
        "a.png: it is no image that can be read.",
    )
    Image.fromarray(PICTURE[:1, :1]).save(path)
    assert refusal(path) == (
        "have a side of fewer than 3 pixels",
        "a.png: it has 1 x 1 pixels, too few to show anything.",
    )
    assert refusal(tmp_path / "absent.png")[1] == (
        "absent.png: the file cannot be opened (No such file or directory)."
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_images_that_are_cut_short(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"whole{suffix}"
    Image.fromarray(picture(64, 64)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    kind, message = refusal(path)
    assert kind in ("are cut short", "are damaged", "are no images that can be read")
    assert message.startswith(f"whole{suffix}: ")
    assert "\n" not in message


def test_every_cut_and_every_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    """Whatever a damaged file makes its reader raise, a refusal comes of it."""
    generator = np.random.default_rng(0)
    path = tmp_path / "whole.png"
    for suffix in (".png", ".jpg", ".gif", ".tif"):
        path = tmp_path / f"whole{suffix}"
        Image.fromarray(PICTURE).save(path)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for trial in range(40):
            damaged = content.copy()
            damaged[generator.integers(0, len(damaged), 3)] = generator.integers(0, 256, 3)
            cut = generator.integers(1, len(damaged)) if trial % 2 else len(damaged)
            path.write_bytes(damaged[:cut].tobytes())
            with contextlib.suppress(RefusedImageError):
                assert decode(path, SIZE, 3).shape == (*SIZE, 3)


@pytest.mark.parametrize("sides", [(9000, 9000), (60_000, 60_000)])
@pytest.mark.filterwarnings("ignore:Image size")
def test_decompression_bombs_are_refused_unopened(tmp_path: Path, sides: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header_only(*sides))
    kind, message = refusal(path)
    assert kind == "have more than 80 million pixels, or would need too much memory"
    assert message.startswith("bomb.png: it ")
    assert message.endswith("more than 80 million pixels are refused.")


def test_numbers_of_unknown_range_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    Image.fromarray(np.full(SIZE, 0.5, np.float32)).save(path)
    assert refusal(path)[0] == "hold floating-point numbers, whose range is not known"
    Image.fromarray(np.full(SIZE, 100_000, np.int32)).save(path)
    assert refusal(path)[0] == "have 32 bits a pixel, whose range is not known"


def test_postscript_is_not_even_tried(tmp_path: Path) -> None:
    """Its reader in Pillow starts another program."""
    Image.init()
    assert "EPS" in Image.OPEN
    path = tmp_path / "page.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n"
    )
    assert refusal(path)[0] == "are no images that can be read"
