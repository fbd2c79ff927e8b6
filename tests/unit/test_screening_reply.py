"""A VLM's answer about a patch: a guess in place of an answer would put photographs out that nobody judged."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.screening_reply import read_answers
from app.domain.verdict_reply import UnreadableReply

ANSWER: dict[str, Any] = {
    "content_poor": False, "overly_degraded": False, "artifact_visible": 72, "unsafe_or_private": False, "level": "medium",
    "reasons": {"content_poor": "a street", "level": "noise\nand blur"},
}  # fmt: skip


def reply(**changed: Any) -> str:
    return json.dumps({**ANSWER, **changed})


def test_a_plain_answer() -> None:
    found = read_answers(reply())
    assert (found.content_poor, found.overly_degraded, found.unsafe_or_private) == (False, False, False)
    assert (found.artifact_visible, found.level) == (72, "medium")
    assert found.why == {"content_poor": "a street", "level": "noise and blur"}


@pytest.mark.parametrize(
    "text",
    [
        f"Here is my answer:\n```json\n{reply()}\n```\nLet me know!",
        json.dumps({"answer": ANSWER}),
        reply(content_poor="No", unsafe_or_private="false", level="Medium", artifact_visible="72%"),
        reply().replace("content_poor", "Content Poor").replace("artifact_visible", "artifactVisible"),
        reply() + "\n" + reply(),
        reply()[:-1],
        reply(reasons="all fine"),
    ],
)
def test_what_means_the_same_is_read_the_same(text: str) -> None:
    found = read_answers(text)
    assert (found.content_poor, found.artifact_visible, found.level) == (False, 72, "medium")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("Both images look very nice to me.", "no answer to content poor"),
        (reply(level="high|medium|low"), "level is"),
        (reply(level="good"), "level is"),
        (reply(artifact_visible=140), "artifact visible is '140'"),
        (reply(artifact_visible="0-100"), "artifact visible"),
        (reply(artifact_visible=None), "artifact visible"),
        (reply(content_poor="true or false"), "content poor"),
        (reply(content_poor=None), "content poor"),
        (reply(content_poor=1), "content poor"),
        (json.dumps({k: v for k, v in ANSWER.items() if k != "unsafe_or_private"}), "no answer to unsafe or private"),
        (reply() + reply(level="low"), "two answers to level"),
        (reply()[: len(reply()) // 3], "truncated"),
    ],
)
def test_what_is_no_answer_is_refused_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(UnreadableReply, match=told):
        read_answers(text)


def test_a_reason_is_kept_short_and_whole_for_any_database() -> None:
    found = read_answers(json.dumps({**ANSWER, "reasons": {"level": "x" * 500 + "\ud83d", "content_poor": "a\0b\ud83d"}}))
    assert len(found.why["level"]) == 120
    assert "\0" not in found.why["content_poor"]
    found.why["content_poor"].encode("utf-8")


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(UnreadableReply):
        read_answers(text)
    with pytest.raises(UnreadableReply):
        read_answers(text.replace("level", ""))
