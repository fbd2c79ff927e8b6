"""Which photographs look alike, by the Hamming distance of 64-bit perceptual hashes (16 hex digits).

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012):
a hash is split into 4 bands of 16 bits. Of two hashes at most 7 bits apart, some band differs by at most 1 bit, so the
rows whose band equals one of 17 values per band hold every near-duplicate: about 1,100 rows of 1.1 million.
"""

BANDS = 4
_BAND_BITS = 16

# Measured on 50 photographs and crops: re-encoded (JPEG q50), resized 50-150 %, brighter or darker by 15 %, cropped by
# 1 %: at most 6; two different pictures: at least 16. Must stay below 2 * BANDS for ``neighbours`` to find them all.
NEAR_DUPLICATE_DISTANCE = 6


def hamming(a: str, b: str) -> int:
    """The number of bits, 0 to 64, in which two hashes differ."""
    return (_bits(a) ^ _bits(b)).bit_count()


def is_near_duplicate(a: str, b: str) -> bool:
    """Whether two hashes are of what people call the same picture."""
    return hamming(a, b) <= NEAR_DUPLICATE_DISTANCE


def bands(phash: str) -> tuple[int, ...]:
    """The hash's 4 bands, each 0 to 65535, the leftmost first: one indexed column each."""
    bits = _bits(phash)
    return tuple((bits >> shift) & 0xFFFF for shift in range(64 - _BAND_BITS, -1, -_BAND_BITS))


def neighbours(band: int) -> tuple[int, ...]:
    """The 17 values within 1 bit of a band: any near-duplicate has one of them in at least one of its bands."""
    return (band, *(band ^ (1 << bit) for bit in range(_BAND_BITS)))


def _bits(phash: str) -> int:
    if len(phash) != 16:
        raise ValueError(f"a perceptual hash has 16 hex digits, not {phash!r}")
    return int(phash, 16)
