"""If these fail, a displaced pair goes to people unmarked, or every pair carries a warning that nobody reads any more."""

import pytest

from app.domain.arrival_checks import arrival, displaced
from app.domain.refusal_words import refusal_words


@pytest.mark.parametrize(
    ("shift", "size", "warned"),
    [
        ((0.0, 0.0), (1024, 683), False),
        ((4.0, -8.0), (1024, 683), False),
        ((20.0, 0.0), (1000, 500), False),  # exactly 2 % of the longer side
        ((20.1, 0.0), (1000, 500), True),
        ((0.0, -20.1), (1000, 500), True),
        ((0.0, -20.1), (500, 1000), True),
        ((15.0, -15.0), (1000, 500), True),  # neither alone, but together 21.2 px
        ((4.0, 4.0), (64, 64), True),
    ],
)
def test_a_shift_warns_beyond_two_per_cent_of_the_longer_side(
    shift: tuple[float, float], size: tuple[int, int], warned: bool
) -> None:
    assert displaced(shift, *size) is warned


def test_an_arrival_in_words() -> None:
    checks = {"width": 1264, "height": 848, "resized": True, "padded": False, "shift": [4.0, -8.0], "likeness": 0.81}
    told = arrival(checks, 1024, 683)
    assert told is not None
    assert told.words == "came as 1264 x 848, resized to 1024 x 683, shifted by (4, -8) px"
    assert (told.displaced, told.likeness) == (False, 0.81)


def test_an_arrival_that_was_cut_or_left_as_it_came() -> None:
    both = arrival({"width": 10, "height": 9, "resized": True, "padded": True, "shift": [0.0, 0.0]}, 8, 6)
    cut = arrival({"width": 10, "height": 9, "padded": True, "shift": [0, 0]}, 8, 6)
    none = arrival({"width": 8, "height": 6}, 8, 6)
    assert [one and one.words for one in (both, cut, none)] == [
        "came as 10 x 9, resized and cut to 8 x 6, not shifted",
        "came as 10 x 9, cut to 8 x 6, not shifted",
        "came as 8 x 6, not shifted",
    ]


def test_what_was_made_here_did_not_arrive() -> None:
    assert arrival({}, 8, 6) is None
    assert arrival({"device": "cpu"}, 8, 6) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("IMAGE_SAFETY", "safety filter"),
        ("moderation_blocked", "safety filter"),
        ("InputImageSensitiveContentDetected", "safety filter, about the input"),
        ("OutputImageSensitiveContentDetected", "safety filter, about the output"),
        ("PROHIBITED_CONTENT", "does not allow"),
        ("image_content_policy_violation", "does not allow"),
        ("WRONG_ASPECT", "another framing"),
        ("NOT_AN_IMAGE", "cannot be read"),
        ("1301", "gave no image"),
    ],
)
def test_a_refusal_is_told_in_words(code: str, words: str) -> None:
    assert words in refusal_words(code)
