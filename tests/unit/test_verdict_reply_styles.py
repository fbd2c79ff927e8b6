"""Judges write the same verdict in many ways: whichever it is, it must be read back exactly, and never as another."""

import json
import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from app.domain.aspects import ASPECTS, Aspect
from app.domain.verdict_reply import ReadVerdict, UnreadableReply, read_verdict


@dataclass(frozen=True)
class Style:
    """One way of writing a verdict."""

    indent: int | None
    braces: bool
    commas: bool
    fence: bool
    nested: bool
    alias: bool
    order: tuple[int, ...]
    seed: int


styles = st.builds(
    Style,
    indent=st.sampled_from([None, 0, 2]),
    braces=st.booleans(),
    commas=st.booleans(),
    fence=st.booleans(),
    nested=st.booleans(),
    alias=st.booleans(),
    order=st.permutations(range(3)).map(tuple),
    seed=st.integers(0, 1 << 16),
)
score_values = st.integers(0, 100) | st.integers(0, 1000).map(lambda n: n / 10)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30) | st.sampled_from(
    ['"final decision": "Accept"', '", "geometry alignment": "', "{", "}", "\\", "```", "// no", "it's", "a\n\nb", ","]
)
verdicts = st.builds(
    lambda scores, reasons, decision: ReadVerdict(
        dict(zip(ASPECTS, scores, strict=True)), dict(zip(ASPECTS, reasons, strict=True)), decision
    ),
    st.lists(score_values, min_size=5, max_size=5),
    st.lists(texts, min_size=5, max_size=5),
    st.sampled_from(["accept", "reject"]),
)


def write(verdict: ReadVerdict, style: Style) -> str:
    """``verdict`` as a judge of this style would write it."""
    chance = random.Random(style.seed)

    def key(aspect: Aspect) -> str:
        name: str = "object_integrity" if style.alias and aspect == "object_consistency" else aspect
        name = name.replace("_", chance.choice(["_", " ", "-"])).replace("color", chance.choice(["color", "colour"]))
        return chance.choice([str.lower, str.upper, str.title])(name)

    def score(value: float) -> object:
        return chance.choice([value, str(value), f"{value}%", f"{value}/100", f"{value} / 100"])

    scores = {key(a): score(v) for a, v in verdict.scores.items()}
    reasons = {key(a): v for a, v in verdict.reasons.items()}
    decision_key = chance.choice(["final decision", "final_decision", "Final Decision", "decision"])
    decision_word = verdict.decision.title() + chance.choice(["", "ed", "."])
    parts: list[dict[str, object]] = [{"scores": scores}, {"reasons": reasons}, {decision_key: decision_word}]
    if style.nested:
        both: dict[str, object] = {
            key(a): {"score": score(verdict.scores[a]), "reason": verdict.reasons[a]} for a in ASPECTS
        }
        parts[:2] = [{}, both]
    ordered = [json.dumps(parts[n], indent=style.indent)[1:-1].strip() for n in style.order if parts[n]]
    body = (",\n" if style.commas else "\n").join(ordered)
    body = f"{{{body}}}" if style.braces else body
    return f"Sure, here it is:\n```json\n{body}\n```\nThat's all." if style.fence else body


@given(verdicts, styles)
def test_a_verdict_in_any_style_is_read_back_exactly(verdict: ReadVerdict, style: Style) -> None:
    assert read_verdict(write(verdict, style)) == verdict


@given(verdicts, styles, st.floats(0, 1))
def test_a_cut_off_reply_never_gives_another_verdict(verdict: ReadVerdict, style: Style, part: float) -> None:
    reply = write(verdict, style)
    try:
        read = read_verdict(reply[: int(part * len(reply))])
    except UnreadableReply:
        return
    assert (read.scores, read.decision) == (verdict.scores, verdict.decision)
    assert read.reasons.items() <= verdict.reasons.items()
