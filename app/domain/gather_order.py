"""In which order the result pages of several keywords are gone through: a page of each, then the next page of each.

So every keyword gives its share, and the chain of a run neither stalls nor forks: one step is open at a time.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One page (from 1) of the results of one keyword (by its place). ``ended`` are keywords whose results are used up."""

    keyword: int = 0
    page: int = 1
    ended: tuple[int, ...] = ()


def after(step: Step, keywords: int, more: bool) -> Step | None:
    """The step after ``step``; None when no keyword has results left. ``more``: this one's go on after its page."""
    ended = step.ended if more else tuple(sorted({*step.ended, step.keyword}))
    open_ones = [place for place in range(keywords) if place not in ended]
    later = [place for place in open_ones if place > step.keyword]
    if later:
        return Step(later[0], step.page, ended)
    return Step(open_ones[0], step.page + 1, ended) if open_ones else None
