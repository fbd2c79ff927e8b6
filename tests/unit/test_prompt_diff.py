"""If these fail, people compare two prompts and are shown a change that nobody made, or none where there is one."""

import random
import time

import pytest

from app.catalog.prompt_texts import PROMPTS
from app.domain.prompt_diff import Piece, word_diff


def test_a_word_added_and_one_replaced() -> None:
    assert word_diff("Please dehaze the image.", "Please dehaze this image quite gently.") == (
        Piece("same", "Please dehaze "),
        Piece("removed", "the "),
        Piece("added", "this "),
        Piece("same", "image"),
        Piece("added", " quite gently"),
        Piece("same", "."),
    )


def test_the_same_text_has_no_changes_and_an_empty_one_no_pieces() -> None:
    text = "Remove the rain.\n\nKeep the mood."
    assert word_diff(text, text) == (Piece("same", text),)
    assert word_diff("", "") == ()
    assert word_diff("", "new") == (Piece("added", "new"),)
    assert word_diff("old", "") == (Piece("removed", "old"),)


def test_unrelated_sentences_do_not_agree_in_their_spaces() -> None:
    assert [piece.kind for piece in word_diff("one two three four", "five six seven eight")] == ["removed", "added"]


def test_a_new_line_is_a_change() -> None:
    assert word_diff("a b", "a\nb") == (
        Piece("same", "a"),
        Piece("removed", " "),
        Piece("added", "\n"),
        Piece("same", "b"),
    )


@pytest.mark.parametrize("seed", range(20))
def test_both_versions_can_be_read_off_the_pieces(seed: int) -> None:
    """Nothing is invented and nothing left out, whatever was edited."""
    rng = random.Random(seed)
    words = PROMPTS["meta", "rain"].system.split(" ")
    edited = [w for w in words if rng.random() > 0.2]
    for _ in range(10):
        edited.insert(rng.randrange(len(edited)), rng.choice(["new", "(new)", "", "\n"]))
    old, new = " ".join(words), " ".join(edited)
    pieces = word_diff(old, new)
    assert "".join(p.text for p in pieces if p.kind != "added") == old
    assert "".join(p.text for p in pieces if p.kind != "removed") == new


def test_the_longest_and_dullest_prompts_are_compared_at_once() -> None:
    """A text of one word ten thousand times must not hold the server up."""
    rng = random.Random(1)
    one, other = (" ".join(f"word{rng.randrange(300)}" for _ in range(2_500)) for _ in range(2))
    started = time.monotonic()
    assert word_diff("a " * 10_000, "a " * 9_000 + "b " * 1_000)[0] == Piece("same", "a " * 9_000)
    word_diff(one, other)
    assert time.monotonic() - started < 5
