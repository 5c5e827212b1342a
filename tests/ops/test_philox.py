"""The random generator against the known answers of its authors (Random123, kat_vectors)."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.ops.philox import philox_bits, philox_blocks

KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    words = philox_blocks(tuple(np.array([word], np.uint64) for word in counter), key)
    assert tuple(int(word[0]) for word in words) == answer


def test_the_first_draw_of_seed_zero_is_the_first_known_answer() -> None:
    generator = st.random.Generator(0)
    assert generator.bits(4).tolist() == list(KNOWN_ANSWERS[0][2])


def test_words_depend_on_the_position_only() -> None:
    key = np.array([7, 9], np.uint32)
    long = philox_bits(key, 3, (101,))
    for size in (0, 1, 2, 3, 4, 5, 97):
        np.testing.assert_array_equal(philox_bits(key, 3, (size,)), long[:size])
    np.testing.assert_array_equal(philox_bits(key, 3, (4, 5)), long[:20].reshape(4, 5))
    assert philox_bits(key, 3, ()) == long[0]


def test_draw_numbers_beyond_32_bits_are_told_apart() -> None:
    key = np.array([7, 9], np.uint32)
    draws = [philox_bits(key, draw, (4,)).tobytes() for draw in (0, 1, 2**32, 2**32 + 1, 2**62)]
    assert len(set(draws)) == 5


def test_both_halves_of_the_seed_count() -> None:
    seeds = (0, 1, 2**32, 2**64 - 1)
    assert len({bytes(st.random.Generator(seed).bits(4).numpy()) for seed in seeds}) == 4


def test_bits_are_uniform_and_draws_uncorrelated() -> None:
    """Each bit is set half of the time, to five standard deviations of 80,000 throws."""
    generator = st.random.Generator(5)
    words = np.stack([generator.bits(40_000).numpy() for _ in range(2)])
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 32)
    assert np.max(np.abs(bits.mean(axis=0) - 0.5)) < 5 * 0.5 / np.sqrt(len(bits))
    first, second = (words / 2.0**32 - 0.5) * np.sqrt(12)
    for left, right in [(first, second), (first[1:], first[:-1]), (first[4:], first[:-4])]:
        assert abs(np.mean(left * right)) < 5 / np.sqrt(len(left))
