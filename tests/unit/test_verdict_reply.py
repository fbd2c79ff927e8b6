"""A judge's answer costs money and decides what is in the dataset: read what it says, and never what it does not say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.aspects import ASPECTS, Decision
from app.domain.verdict_reply import ReadVerdict, UnreadableReply, read_verdict

SCORES = dict(zip(ASPECTS, (85, 10, 20, 40, 70), strict=True))
REASONS = {a: f"Reason {n}, with a comma: and a colon." for n, a in enumerate(ASPECTS)}
WHOLE = json.dumps({"scores": SCORES, "reasons": REASONS, "final_decision": "Reject"}, indent=2)
SPOKEN = [a.replace("_", " ") for a in ASPECTS]

# Fig. C.1 as the paper's text has it: the page's layout puts code fences and empty lines into it, one inside a string.
FIGURE = """```
"scores": {
  "restoration_quality": 85,
  "object_consistency": 10,
  "geometry_alignment": 20,
  "content_reasonableness": 40,
  "color_consistency": 70
}
"reasons": {
  "restoration_quality": "The image is sharp and clear. However, it feels very generated rather than restored.",
  "object_integrity": "It added windows to the right
```

building and hallucinated its overall structure. The antenna was entirely re-drawn with new geometry.",

"geometry_alignment": "Geometry alignment is extremely poor. The top structure's shape is different.",

"content_reasonableness": "The generated text/logos on the billboards are gibberish.",

"color_consistency": "Colors are generally maintained (blues, greys, brick tones), but the sky is cleaner."

```
},
"final_decision": "Reject",
```
"""
TEMPLATE = WHOLE.replace('"Reject"', '"Accept" or "Reject"')
for _score in ("85", "10", "20", "40", "70"):
    TEMPLATE = TEMPLATE.replace(f": {_score}", ": 0-100")


def with_score(written: str) -> str:
    """The whole reply with ``written`` as the score of geometry alignment."""
    return WHOLE.replace('"geometry_alignment": 20', f'"geometry_alignment": {written}')


def with_decision(written: str) -> str:
    return WHOLE.replace('"Reject"', written)


def test_the_papers_own_example_is_read() -> None:
    for reply in (FIGURE, FIGURE + "\nFigure C.1. An example.", FIGURE.replace("```", ""), FIGURE.strip("`\n")):
        read = read_verdict(reply)
        assert (read.scores, read.decision) == (SCORES, "reject")
        assert read.reasons["object_consistency"].endswith("new geometry.")
        assert read.reasons["color_consistency"].endswith("cleaner.")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(WHOLE, id="plain"),
        pytest.param("\ufeff" + WHOLE, id="byte order mark"),
        pytest.param(f"```json\n{WHOLE}\n```", id="fence"),
        pytest.param(f"Here's the pair's verdict {{as asked}}:\n{WHOLE}\nI'd \"stand\" by it.", id="text around"),
        pytest.param(f'The 5" gap {WHOLE}', id="odd quote before"),
        pytest.param(f"[{WHOLE}]", id="list of one"),
        pytest.param(f'{{"result": {WHOLE}}}', id="wrapper"),
        pytest.param(f"{{{WHOLE}}}", id="double braces"),
        pytest.param(WHOLE + WHOLE, id="twice the same"),
        pytest.param(WHOLE.strip("{}"), id="no outer braces"),
        pytest.param(WHOLE.rstrip("}"), id="no last brace"),
        pytest.param(WHOLE.replace("},", "}},"), id="closed too early"),
        pytest.param(WHOLE.replace("},", "}"), id="no commas between parts"),
        pytest.param(WHOLE.replace(",\n", "\n"), id="no commas"),
        pytest.param(WHOLE.replace("\n}", ",\n}").replace("\n  }", ",\n  }"), id="trailing commas"),
        pytest.param(WHOLE.replace("20,", "20, // check region by region"), id="comment"),
        pytest.param(WHOLE.replace("20,", "20, /* regions */"), id="block comment"),
        pytest.param(WHOLE.replace('"', "'"), id="single quotes"),
        pytest.param(WHOLE.replace(' "', " “").replace('"', "”"), id="typographic quotes"),
        pytest.param(WHOLE.replace("_", "-").upper(), id="capitals and hyphens"),
        pytest.param(WHOLE.replace("_", " ").title(), id="title case"),
        pytest.param(WHOLE.replace("color", "Colour"), id="British"),
        pytest.param(WHOLE.replace("object_consistency", "object_integrity"), id="integrity"),
        pytest.param(WHOLE.replace('"object_consistency": 10', '"object_integrity": 10'), id="integrity in scores"),
        pytest.param(WHOLE.replace("final_decision", "decision"), id="decision"),
        pytest.param(with_decision("Reject"), id="bare decision"),
        pytest.param(with_decision('"**REJECTED.**"'), id="stressed decision"),
        pytest.param(with_score('20,\n"geometry_alignment": 20'), id="duplicate that agrees"),
        pytest.param(WHOLE.replace("Reason 1, with a comma: and", 'Reason "1", with a comma: "and"'), id="inner quotes"),
        pytest.param(WHOLE.replace("Reason 1, with a comma: and", "It's the windows' fault,\n\nand"), id="broken line"),
    ],
)
def test_every_way_of_writing_gives_the_same_verdict(reply: str) -> None:
    read = read_verdict(reply)
    assert (read.scores, read.decision) == (SCORES, "reject")
    assert set(read.reasons) == set(ASPECTS)


def test_scores_and_reasons_by_aspect_are_read() -> None:
    nested = {name: {"score": SCORES[a], "reason": REASONS[a]} for name, a in zip(SPOKEN, ASPECTS, strict=True)}
    expected = ReadVerdict(dict(SCORES), REASONS, "accept")
    assert read_verdict(json.dumps({**nested, "Final Decision": "Accept"})) == expected
    assert read_verdict(json.dumps({"scores": nested, "final decision": "accepted"})) == expected


@pytest.mark.parametrize(
    ("written", "score"),
    [
        ('"95"', 95),
        ('"95/100"', 95),
        ('"95 / 100"', 95),
        ("95 / 100", 95),
        ('"85%"', 85),
        ("85.0", 85),
        ("85.5", 85.5),
        ('"0.9"', 0.9),
        ("0.9", 0.9),
        ("0", 0),
        ("100", 100),
    ],
)
def test_a_score_is_read_as_written_and_never_rescaled(written: str, score: float) -> None:
    read = read_verdict(with_score(written)).scores["geometry_alignment"]
    assert read == score
    assert isinstance(read, type(score))


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("140", "score of geometry alignment is 140, outside 0 to 100"),
        ("-5", "is -5, outside 0 to 100"),
        ("1e400", "outside 0 to 100"),
        ("9" * 5000, "not a number"),
        ('"95/200"', "'95/200', not out of 100"),
        ("19/20", "19/20, not out of 100"),
        ("0-100", "0-100, not a number"),
        ('"85-90"', "'85-90', not a number"),
        ("85,5", "not a number"),
        ("85 of 90", "not a number"),
        ('85 "of 90"', "not a number"),
        ('"high"', "'high', not a number"),
        ("true", "true, not a number"),
        ("null", "null, not a number"),
        ("NaN", "NaN, not a number"),
        ("Infinity", "Infinity, not a number"),
        ("[20]", "a list, not a number"),
        ("", "empty, not a number"),
        ('20, "geometry alignment": 21', "two scores for geometry alignment: 20 and 21"),
        ('20, "object integrity": 95', "two scores for object consistency: 10 and 95"),
    ],
)
def test_what_is_no_score_is_refused_with_the_reason(written: str, why: str) -> None:
    with pytest.raises(UnreadableReply) as refused:
        read_verdict(with_score(written))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "written",
    ['"Accept or Reject"', '"Accept" or "Reject"', '"Accept", or "Reject"', "Accept/Reject", '"Not accepted"', "true", '""'],
)
def test_what_is_no_decision_is_refused(written: str) -> None:
    for reply in (with_decision(written), with_decision(written).strip("{}")):
        with pytest.raises(UnreadableReply, match="final decision"):
            read_verdict(reply)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" \n", "empty", id="white space"),
        pytest.param("I cannot judge these images.", "no scores and no final decision", id="refusal"),
        pytest.param(WHOLE.replace('"color_consistency": 70', ""), "no score for color consistency", id="missing score"),
        pytest.param(WHOLE.replace("final_decision", "remark"), "no final decision", id="missing decision"),
        pytest.param('{"final decision": "Accept"}', "no scores", id="decision alone"),
        pytest.param(WHOLE[: WHOLE.index('"final')], "truncated after .*no final decision", id="cut before the decision"),
        pytest.param(WHOLE[:-24], "truncated after", id="cut in the decision's key"),
        pytest.param(WHOLE[:70], "truncated after", id="cut in the scores"),
        pytest.param(WHOLE[:250], "truncated after", id="cut in a string"),
        pytest.param(TEMPLATE, "score of restoration quality is 0-100", id="template"),
        pytest.param(f"{TEMPLATE}\n{WHOLE}", "0-100", id="template and answer"),
        pytest.param(f"{WHOLE}\nFinal:\n{with_score('90')}", "two scores", id="draft and final"),
        pytest.param(WHOLE + with_decision('"Accept"'), "two final decisions", id="two decisions"),
        pytest.param(f'{WHOLE}\n"final decision": "Accept"', "two final decisions", id="a loose decision that differs"),
        pytest.param(
            '{"scores": {"object consistency": 95}}' + WHOLE.replace('"object_consistency": 10,', ""),
            "no score for",
            id="two halves of different verdicts",
        ),
        pytest.param('{"a": ' * 100_000, "deep", id="deep"),
        pytest.param("[" * 100_000 + WHOLE.replace("{", "[") + "{" * 100_000, "deep", id="deep lists"),
        pytest.param('{"a":' * 900 + WHOLE + "}" * 900, "no scores", id="deep JSON"),
    ],
)
def test_a_reply_without_one_complete_verdict_is_refused_with_the_reason(reply: str, why: str) -> None:
    with pytest.raises(UnreadableReply, match=why):
        read_verdict(reply)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        *("{", "}", "[", "{}", "{x}", '{"', '{"a":', '{"a":"', '{"a":1}', '"a":1,', '"a":', '"a", ', '": "', '"', '" '),
        *("'", "“", "/*", "//", "#", "`", "```", "\\", '\\"', "0", "a ", "ab\n", " ", "\n", ",", "a" * 80 + '"'),
    ],
)
def test_a_megabyte_of_garbage_does_not_hold_up_a_worker(piece: str) -> None:
    garbage = piece * (1_000_000 // len(piece))
    for reply in (garbage, '{"a": ' + garbage, '{"a": "' + garbage, '"a": [' + garbage, '{"a": "b"' + garbage):
        with pytest.raises(UnreadableReply):
            read_verdict(reply)


def test_a_verdict_in_a_megabyte_of_text_is_found() -> None:
    assert read_verdict('word \'n "word" ' * 70_000 + WHOLE).scores == SCORES


def test_reasons_can_be_stored_in_a_database() -> None:
    read = read_verdict(WHOLE.replace("Reason 1,", "\\ud83d\\ude00 \\ud83d \\u0000,"))
    assert read.reasons["object_consistency"].startswith("\U0001f600 \ufffd ,")


@pytest.mark.parametrize("reply", [FIGURE, WHOLE, WHOLE.replace('"', ""), WHOLE.replace(",", "")])
def test_no_cut_of_a_sloppy_reply_gives_another_verdict(reply: str) -> None:
    for length in range(len(reply)):
        try:
            read = read_verdict(reply[:length])
        except UnreadableReply:
            continue
        assert (read.scores, read.decision) == (SCORES, "reject")
        assert length >= reply.index("Reject") + len("Reject")


@given(st.text("{}[]\":,'“”\\/`#* \nascore0195%", max_size=60), st.integers(0, len(WHOLE)))
def test_noise_in_a_reply_raises_nothing_else(noise: str, where: int) -> None:
    try:
        decision: Decision = read_verdict(WHOLE[:where] + noise + WHOLE[where:]).decision
    except UnreadableReply:
        return
    assert decision == "reject"
