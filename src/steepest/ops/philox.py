"""Philox4x32-10, the counter-based random generator.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011. Each block of four 32-bit numbers is a function of a key (the seed) and a 128-bit counter;
here the counter is (block number, draw number), so that any position of any draw can be had
without making those before it.
"""

from __future__ import annotations

import numpy as np

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox_bits(key: np.ndarray, draw: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return uniform uint32 numbers of `shape`: number i is word i mod 4 of block i div 4.

    Args:
        key: two uint32 numbers, the low and high half of the seed.
        draw: which draw of that seed; the upper 64 bits of the counter.
    """
    size = int(np.prod(shape))
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    words = philox_blocks(
        (
            blocks & _LOW,
            blocks >> _HALF,
            np.full_like(blocks, draw & 0xFFFFFFFF),
            np.full_like(blocks, (draw >> 32) & 0xFFFFFFFF),
        ),
        (int(key[0]), int(key[1])),
    )
    return np.stack(words, axis=-1).reshape(-1)[:size].astype(np.uint32).reshape(shape)


def philox_blocks(
    counter: tuple[np.ndarray, ...], key: tuple[int, int], rounds: int = 10
) -> tuple[np.ndarray, ...]:
    """Return the four words of each block; words are held in uint64 arrays below 2^32."""
    word0, word1, word2, word3 = counter
    key0, key1 = key
    for _ in range(rounds):
        product0 = _MULTIPLIERS[0] * word0
        product1 = _MULTIPLIERS[1] * word2
        word0, word1, word2, word3 = (
            (product1 >> _HALF) ^ word1 ^ np.uint64(key0),
            product1 & _LOW,
            (product0 >> _HALF) ^ word3 ^ np.uint64(key1),
            product0 & _LOW,
        )
        key0 = (key0 + _KEY_STEPS[0]) & 0xFFFFFFFF
        key1 = (key1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return word0, word1, word2, word3
