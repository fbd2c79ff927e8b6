"""If these fail, a run never asks for some keyword's results, asks for a page twice, or does not end."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.gather_order import Step, after


def walk(pages: list[int]) -> list[tuple[int, int]]:
    """Keyword and page of every step, for keywords with so many pages each (one at least: that shows there is nothing)."""
    step: Step | None = Step()
    steps = []
    while step is not None:
        steps.append((step.keyword, step.page))
        step = after(step, len(pages), more=step.page < pages[step.keyword])
    return steps


def test_a_page_of_each_then_the_next_page_of_each() -> None:
    assert walk([2, 1, 3]) == [(0, 1), (1, 1), (2, 1), (0, 2), (2, 2), (2, 3)]
    assert walk([1]) == [(0, 1)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_every_page_is_asked_for_once_and_no_keyword_is_two_pages_ahead(pages: list[int]) -> None:
    steps = walk(pages)
    assert sorted(steps) == [(keyword, page) for keyword, most in enumerate(pages) for page in range(1, most + 1)]
    assert [page for _, page in steps] == sorted(page for _, page in steps)
