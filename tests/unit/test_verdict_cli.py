"""Scripts call ``ggt verdict parse``: they need one JSON object, and must not take an unreadable reply for a rejection."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli_verdict import verdict
from app.domain.aspects import ASPECTS
from app.errors import GgtError


def reply(*scores: float, decision: str = "Accept") -> str:
    return json.dumps({"scores": dict(zip(ASPECTS, scores, strict=True)), "final decision": decision})


def test_a_file_is_answered_with_one_json_object(tmp_path: Path) -> None:
    file = tmp_path / "reply.txt"
    file.write_text("\ufeff" + reply(85, 95, 60, 70.5, 100.0), encoding="utf-8")
    done = CliRunner().invoke(verdict, ["parse", str(file)])
    assert done.exit_code == 0
    assert done.stdout == (
        '{"decision": "accept", "rule_decision": "accept", "scores": {"restoration_quality": 85, "object_consistency": 95, '
        '"geometry_alignment": 60, "content_reasonableness": 70.5, "color_consistency": 100}}\n'
    )


def test_the_rule_decides_apart_from_the_judge() -> None:
    done = CliRunner().invoke(verdict, ["parse", "-"], input=reply(85, 89, 90, 90, 90))
    answer = json.loads(done.stdout)
    assert (answer["decision"], answer["rule_decision"]) == ("accept", "reject")
    assert list(answer["scores"]) == list(ASPECTS)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (reply(85, 140, 90, 90, 90), "unreadable: score of object consistency is 140, outside 0 to 100\n"),
        ("", "unreadable: the reply is empty\n"),
        (b"{\xff", "unreadable: not UTF-8 text, from byte 1 on\n"),
    ],
)
def test_an_unreadable_reply_prints_no_verdict_and_ends_with_status_2(given: str | bytes, why: str) -> None:
    done = CliRunner().invoke(verdict, ["parse", "-"], input=given)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", why)


def test_a_missing_file_is_an_error_a_person_can_act_on(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "no.txt", "There is no file"), (tmp_path, "cannot be read")):
        done = CliRunner().invoke(verdict, ["parse", str(path)])
        assert isinstance(done.exception, GgtError)
        assert why in str(done.exception)
