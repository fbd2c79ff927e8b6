"""Which reply of a batch belongs to which LQ: by its key, checked by likeness (keys were seen mismatched)."""

from collections.abc import Sequence

MARGIN = 0.15
"""How much more like another LQ a reply must be (correlation, -1 to 1) before its key is disbelieved."""


def match(keyed: Sequence[int | None], likeness: Sequence[Sequence[float]]) -> list[int | None]:
    """For each reply the index of the LQ it restores, or None where that cannot be told.

    ``keyed[i]`` is the LQ that reply i's key names (None: it came without), ``likeness[i][j]`` how much reply i looks like
    LQ j. A reply that clearly looks like another LQ than its key says belongs to that one. Of two that then claim one LQ,
    the one whose key agrees has it, and the other is nobody's.
    """
    claims: list[int | None] = []
    for own, row in zip(keyed, likeness, strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        rest = max((v for j, v in enumerate(row) if j != best), default=-1.0)
        if own is None:
            claims.append(best if row[best] - rest > MARGIN else None)
        else:
            claims.append(best if row[best] - row[own] > MARGIN else own)
    agreed = {own for own, claim in zip(keyed, claims, strict=True) if own is not None and own == claim}
    seen: set[int] = set()
    found: list[int | None] = []
    for own, claim in zip(keyed, claims, strict=True):
        taken = claim is None or claim in seen or (claim in agreed and claim != own)
        found.append(None if taken else claim)
        if not taken and claim is not None:
            seen.add(claim)
    return found
