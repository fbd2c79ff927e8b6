"""Where gold questions stand among a person's items: one in each block of N, at a place nobody can foresee."""

import hashlib


def is_gold(who: str, place: int, every: int) -> bool:
    """Whether the item at ``place`` (from 0) of ``who``'s sequence is a gold question, one in ``every``; 0: none is.

    One falls into each block of ``every``, at a place drawn from who and block: the same each time it is asked.
    """
    if every <= 0:
        return False
    block, offset = divmod(place, every)
    digest = hashlib.blake2b(f"{who}:{block}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % every == offset
