"""Augmentation: the same for every batch and worker, and each effect against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from odd_files import picture
from PIL import Image

from steepest.data.images import Augmentation
from steepest.data.images.augment import beta_draws, uniform_draws
from steepest.errors import ArgumentError
from steepest.ops.philox import philox_blocks

IMAGES = np.stack([picture(20, 16, seed) for seed in range(12)])
PLACES = np.arange(100, 112)
ALL = Augmentation(
    flip=True,
    shift=0.1,
    zoom=0.3,
    stretch=0.2,
    rotate=20,
    brightness=0.3,
    contrast=0.3,
    saturation=0.5,
    cutout=0.4,
)


@pytest.mark.parametrize(
    "augmentation",
    [ALL, Augmentation(flip=True, shift=0.2), Augmentation(), Augmentation(cutout=1)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_does_not_depend_on_its_batch(augmentation: Augmentation, channels: int) -> None:
    images = IMAGES[..., :channels]
    whole = augmentation(images, PLACES, 7, 2)
    assert whole.shape == images.shape
    assert whole.dtype == np.uint8
    assert whole is not images
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(augmentation(images[order], PLACES[order], 7, 2), whole[order])
    np.testing.assert_array_equal(augmentation(images[5:6], PLACES[5:6], 7, 2), whole[5:6])
    if not augmentation.is_none:
        for seed, epoch in ((8, 2), (7, 3)):
            assert (augmentation(images, PLACES, seed, epoch) != whole).any()


def test_draws_are_uniform_and_independent() -> None:
    draws = uniform_draws(np.arange(20_000), 2**40 + 3, 5)
    assert draws.min() >= 0
    assert draws.max() < 1
    np.testing.assert_allclose(draws.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(draws.var(0), 1 / 12, atol=0.002)
    correlations = np.corrcoef(draws.T) - np.eye(draws.shape[1])
    assert np.abs(correlations).max() < 0.03
    assert (uniform_draws(np.arange(5), 3, 5) != draws[:5]).all()


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4])
def test_shares_of_mix_up_follow_the_beta_distribution(alpha: float) -> None:
    shares = beta_draws(uniform_draws(np.arange(40_000), 1, 0)[:, 12:], alpha)
    assert abs(shares.mean() - 0.5) < 0.015
    assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.01


def test_half_of_the_images_are_mirrored() -> None:
    images = np.repeat(IMAGES[:1], 400, axis=0)
    found = Augmentation(flip=True)(images, np.arange(400), 0, 0)
    mirrored = (found == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (found == images).all(axis=(1, 2, 3))).all()
    assert 160 < mirrored.sum() < 240


def test_shifts_are_by_whole_pixels_and_leave_black() -> None:
    images = np.repeat(np.maximum(IMAGES[:1], 1), 300, axis=0)
    found = Augmentation(shift=0.1)(images, np.arange(300), 0, 0)
    seen = set()
    for image in found:
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = np.zeros_like(image)
                expected[max(down, 0) : 20 + min(down, 0), max(right, 0) : 16 + min(right, 0)] = (
                    images[0][
                        max(-down, 0) : 20 + min(-down, 0), max(-right, 0) : 16 + min(-right, 0)
                    ]
                )
                if (image == expected).all():
                    seen.add((down, right))
                    break
            else:
                continue
            break
        else:
            pytest.fail("an image is no shift of the first")
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_four_blocks_of_an_image_give_its_draws() -> None:
    places, seed, epoch = np.array([7, 2**33 + 1]), 2**40 + 3, 5
    draws = uniform_draws(places, seed, epoch)
    for row, place in enumerate(places.tolist()):
        for block in range(4):
            counter = (place & 0xFFFFFFFF, place >> 32, epoch, block + 1)
            words = philox_blocks(
                tuple(np.array([each], np.uint64) for each in counter),
                (seed & 0xFFFFFFFF, seed >> 32),
            )
            expected = np.concatenate(words) / 2.0**32
            np.testing.assert_array_equal(draws[row, 4 * block : 4 * block + 4], expected)


def test_a_quarter_turn_is_numpys() -> None:
    """`rotate` draws the angle; the drawn angle's turn is compared with Pillow's."""
    side = 33
    image = picture(side, side, 3)
    draws = uniform_draws(np.array([0]), 0, 0)
    angle = 180 * (2 * draws[0, 5] - 1)
    found = Augmentation(rotate=180)(image[None], np.array([0]), 0, 0)[0]
    expected = Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR)
    rows, columns = np.mgrid[:side, :side] - side // 2
    inside = np.hypot(rows, columns) < side // 2 - 2
    difference = np.abs(found.astype(int) - np.asarray(expected).astype(int))[inside]
    other = Image.fromarray(image).rotate(-angle, Image.Resampling.BILINEAR)
    opposite = np.abs(found.astype(int) - np.asarray(other).astype(int))[inside]
    assert min(difference.max(), opposite.max()) <= 3


def test_cut_outs_stay_inside_the_image() -> None:
    """Sampling a linear ramp shows where each pixel came from."""
    ramp = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))[None, :, :, None]
    images = np.repeat(ramp, 200, axis=0)
    found = Augmentation(zoom=0.5)(images, np.arange(200), 0, 0)[:, 24, :, 0].astype(float)
    widths = (found[:, -1] - found[:, 0]) / (ramp[0, 0, -1, 0] - ramp[0, 0, 0, 0])
    assert widths.min() > 0.48
    assert widths.max() <= 1.0
    assert widths.std() > 0.1
    steps = np.diff(found, axis=1)
    assert (np.abs(steps - steps.mean(axis=1, keepdims=True)) <= 1.01).all()


def test_colours_change_within_their_limits() -> None:
    grey = np.full((200, 4, 4, 3), 100, np.uint8)
    found = Augmentation(brightness=0.2)(grey, np.arange(200), 0, 0)
    assert found.min() >= 80
    assert found.max() <= 120
    assert len(np.unique(found)) > 20
    assert (found == found[:, :1, :1, :1]).all()
    np.testing.assert_array_equal(
        Augmentation(contrast=0.5)(grey, PLACES[:1].repeat(200), 0, 0), grey
    )
    np.testing.assert_allclose(Augmentation(saturation=1)(grey, np.arange(200), 0, 0), grey, atol=1)
    red = np.zeros((200, 4, 4, 3), np.uint8)
    red[..., 0] = 200
    paler = Augmentation(saturation=0.5)(red, np.arange(200), 0, 0)
    assert paler[..., 0].max() <= 255
    assert (paler[..., 1] == paler[..., 2]).all()
    assert paler[..., 1].max() > 20


def test_cutout_paints_squares_in_the_mean_colour() -> None:
    images = np.repeat(IMAGES[:1], 300, axis=0)
    found = Augmentation(cutout=0.5)(images, np.arange(300), 0, 0)
    mean = np.rint(IMAGES[0].mean(axis=(0, 1))).astype(np.uint8)
    changed = (found != images).any(axis=3)
    assert (found[changed] == mean).all()
    sizes = changed.sum(axis=(1, 2))
    assert 100 < (sizes > 0).sum() < 190
    assert sizes.max() <= 8 * 8


def test_mix_up_blends_with_the_next_image() -> None:
    labels = np.eye(12, dtype=np.float32)
    images, targets = Augmentation(mixup=0.4).blended(IMAGES, labels, PLACES, 3, 1)
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
    shares = targets[np.arange(12), np.arange(12)]
    assert (shares >= 0.5).all()
    assert (shares < 0.99).any()
    weight = shares[:, None, None, None]
    expected = IMAGES * weight + np.roll(IMAGES, -1, axis=0) * (1 - weight)
    np.testing.assert_allclose(images, expected, atol=0.51)
    np.testing.assert_allclose(targets[np.arange(12), (np.arange(12) + 1) % 12], 1 - shares)
    same, untouched = Augmentation().blended(IMAGES, labels, PLACES, 3, 1)
    assert same is IMAGES
    assert untouched is labels


def test_defaults_by_size_and_kind() -> None:
    assert Augmentation.for_images((28, 28), 1) == Augmentation(shift=0.08)
    assert Augmentation.for_images((32, 32), 3) == Augmentation(flip=True, shift=0.125)
    large = Augmentation.for_images((96, 80), 3)
    assert large.flip
    assert large.zoom > 0
    assert large.describe() == (
        "flip, zoom 35 %, stretch 15 %, rotate 8°, brightness 20 %, contrast 20 %, saturation 20 %"
    )
    assert Augmentation().describe() == "none"


@pytest.mark.parametrize(
    "option", [{"shift": 0.6}, {"mixup": -0.1}, {"rotate": 181}, {"zoom": "x"}]
)
def test_values_outside_their_range(option: dict[str, float]) -> None:
    (name,) = option
    with pytest.raises(ArgumentError, match=f"^Augmentation: {name} must be from"):
        Augmentation(**option)
