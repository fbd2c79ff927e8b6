"""Prompts put together: too long a one is refused by the model, and one cut in the wrong place asks for something else."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.catalog.mfms import MFMS
from app.catalog.quality import REFINEMENT_RULE
from app.domain.prompting import LONGEST_REASON, clean_reply, fit_prompt, one_line

SENTENCES = ("Remove the rain.", "Keep the lamp!", "Is the sign sharp?", "Change nothing else.")
THREE = " ".join(SENTENCES[:3])

nasty = st.text(st.sampled_from(list("ab.!?; \n\t\"'“”`*é雨🌧")), max_size=80)
texts = nasty | st.lists(st.sampled_from(SENTENCES), max_size=8).map(" ".join)
parts = st.lists(texts, max_size=3).map(tuple)


def tail_of(appended: tuple[str, ...]) -> str:
    return " ".join(part.strip() for part in appended if part.strip())


# --- fit_prompt ---------------------------------------------------------------------------------------------------------


def test_a_prompt_that_fits_is_sent_as_it_is() -> None:
    assert fit_prompt(" Remove the rain.\n\nKeep the lamp. ", None) == ("Remove the rain.\n\nKeep the lamp.", False)
    assert fit_prompt(THREE, len(THREE)) == (THREE, False)
    assert fit_prompt("Remove the rain.", 100, ("Keep colours.", "  ", "Be exact. ")) == (
        "Remove the rain. Keep colours. Be exact.",
        False,
    )


def test_one_character_too_many_costs_the_last_sentence_and_is_told() -> None:
    assert fit_prompt(THREE, len(THREE) - 1) == ("Remove the rain. Keep the lamp!", True)


def test_what_a_judge_asked_for_is_kept_whole_at_the_cost_of_the_prompt() -> None:
    """The appended instruction is why the image is asked for again: cut, the second attempt is the first one, paid twice."""
    wanted = REFINEMENT_RULE.instructions["geometry_alignment"]
    text, cut = fit_prompt(THREE, len(wanted) + 20, (wanted,))
    assert text == f"Remove the rain. {wanted}"
    assert cut


def test_a_first_sentence_that_is_too_long_is_cut_between_words() -> None:
    assert fit_prompt("Remove every streak of rain from the picture", 20) == ("Remove every streak", True)


def test_text_without_any_space_is_cut_where_it_must() -> None:
    assert fit_prompt("雨" * 50, 20) == ("雨" * 20, True)


def test_an_instruction_longer_than_the_model_takes_is_an_error_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"101 .*100"):
        fit_prompt("Remove the rain.", 100, ("x" * 101,))


def test_a_number_is_not_the_end_of_a_sentence() -> None:
    text, _ = fit_prompt("Scale by 1.25 at f/2.8 only. Then stop here.", 32)
    assert text == "Scale by 1.25 at f/2.8 only."


@pytest.mark.parametrize("spec", [s for s in MFMS if s.prompt_limit], ids=lambda spec: spec.key)
def test_every_strengthened_prompt_has_room_in_every_model(spec: object) -> None:
    """All five instructions with five long reasons: the most that a refinement appends."""
    limit = getattr(spec, "prompt_limit", 0)
    appended = tuple(f"{text} What was found: {one_line('bad ' * 200)}" for text in REFINEMENT_RULE.instructions.values())
    text, _ = fit_prompt("Remove the rain. " * 2000, limit, appended)
    assert len(text) <= limit
    assert text.startswith("Remove the rain.")
    assert text.endswith(tail_of(appended))


@given(texts, st.integers(0, 120), parts)
@example("Remove the rain.", 16, ())
@example("Remove the rain.", 1, ())
def test_no_prompt_is_ever_longer_than_the_limit_nor_loses_an_instruction(
    text: str, limit: int, appended: tuple[str, ...]
) -> None:
    tail = tail_of(appended)
    try:
        fitted, cut = fit_prompt(text, limit, appended)
    except ValueError:
        assert len(tail) >= limit - 1, "there was room for some of the text"
        return
    assert len(fitted) <= limit
    assert fitted.endswith(tail)
    if not cut:
        assert fitted == f"{text.strip()} {tail}".strip()


@given(st.lists(st.sampled_from(SENTENCES), min_size=2, max_size=9), st.integers(20, 200), parts)
def test_a_cut_prompt_consists_of_its_first_whole_sentences_and_of_as_many_as_fit(
    sentences: list[str], limit: int, appended: tuple[str, ...]
) -> None:
    tail = tail_of(appended)
    assume(len(tail) + 1 + len(sentences[0]) <= limit)
    fitted, cut = fit_prompt(" ".join(sentences), limit, appended)
    kept = fitted.removesuffix(tail).strip()
    whole = [" ".join(sentences[:n]) for n in range(1, len(sentences) + 1)]
    assert kept in whole
    assert cut == (kept != whole[-1])
    if cut:
        assert len(f"{whole[whole.index(kept) + 1]} {tail}".strip()) > limit, "another sentence would have fitted"


# --- one_line -----------------------------------------------------------------------------------------------------------


def test_a_reason_becomes_one_line_without_markup() -> None:
    told = "## Lamp\n\n* The **left** lamp is `gone` and\n* a_sign\tis blurred."
    assert one_line(told) == "Lamp The left lamp is gone and a sign is blurred."


def test_a_long_reason_is_cut_at_a_word_and_says_so() -> None:
    told = one_line("The lamps are missing, " * 40)
    assert told.endswith(" ...")
    assert set(told.removesuffix(" ...").replace(",", "").split()) == {"The", "lamps", "are", "missing"}
    assert not told.removesuffix(" ...").endswith((",", ";", ":"))


@given(st.text(max_size=900))
def test_a_reason_never_breaks_the_line_nor_grows(reason: str) -> None:
    told = one_line(reason)
    assert len(told.splitlines()) <= 1
    assert len(told) <= LONGEST_REASON + len(" ...")
    assert not set("*_`#") & set(told)
    assert one_line(told) == told or len(reason) > LONGEST_REASON


# --- clean_reply --------------------------------------------------------------------------------------------------------

WANTED = "Remove the rain and keep the lamp."


@pytest.mark.parametrize(
    "reply",
    [
        WANTED,
        f"\n  {WANTED}\n",
        f"```\n{WANTED}\n```",
        f"```text\n{WANTED}\n```",
        f"```markdown\n{WANTED}```",
        f'"{WANTED}"',
        f"“{WANTED}”",
        f"'{WANTED}'",
        f"Prompt: {WANTED}",
        f"PROMPT:\n{WANTED}",
        f"Restoration prompt: {WANTED}",
        f"English restoration prompt : {WANTED}",
        f'Prompt: "{WANTED}"',
        f"```\nPrompt: “{WANTED}”\n```",
    ],
)
def test_what_a_vlm_puts_around_its_prompt_is_taken_off(reply: str) -> None:
    """Sent along, fences and labels are painted into some pictures as text."""
    assert clean_reply(reply) == WANTED


@pytest.mark.parametrize(
    "reply",
    [
        'Keep the sign "OPEN" as it is.',
        'The sign says "OPEN"',
        '"OPEN" must stay readable.',
        "Don't change the lamp's colour",
        "Remove `banding` and ```blocking``` artifacts.",
        "Be prompt: leave nothing out.",
        "A prompt restoration: sharpen.",
        "First sentence.\n\nSecond sentence.",
    ],
)
def test_what_belongs_to_the_prompt_is_left_alone(reply: str) -> None:
    assert clean_reply(reply) == reply


@pytest.mark.parametrize("reply", ['"STOP" stays, and so does "OPEN"', "'Tis dusk: keep the lamps'"])
def test_quotation_marks_that_are_no_pair_are_left_alone(reply: str) -> None:
    """Half a quotation asks the model to paint another sign."""
    assert clean_reply(reply) == reply


def test_a_label_within_quotation_marks_is_taken_off() -> None:
    assert clean_reply(f'"Prompt: {WANTED}"') == WANTED


@pytest.mark.parametrize("reply", ["", "   \n", "``` ```", "```\n```", '""', "“”", "Prompt:", '"', "'", "```"])
def test_a_reply_without_a_prompt_never_raises_nor_becomes_words(reply: str) -> None:
    assert not any(letter.isalnum() for letter in clean_reply(reply))


@given(nasty)
def test_cleaning_only_takes_away_from_the_ends(reply: str) -> None:
    assert clean_reply(reply) in reply
