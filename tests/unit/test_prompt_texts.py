"""Prompts are half of the method: a word changed unnoticed gives other images and verdicts under the same version."""

import copy
import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.catalog.categories import CATEGORIES
from app.catalog.prompt_texts import PROMPTS, load
from app.domain.screening_reply import LEVEL, REASONS, SCORE, YES_NO

FOLDER = Path(__file__).parents[2] / "app" / "catalog" / "prompts"
FILES = {path.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.toml")}
# The paper's text lies beside the project where it is developed, and is not part of it.
PAPERS = [path for path in [Path(__file__).parents[2].parent / "shared" / "paper" / "ggt-100k.txt"] if path.exists()]

# The first 16 digits of SHA-256 over version, system and user prompt. To change a text, raise its file's version.
HASHES = {
    ("fix", "general_mixed"): "d92eb188fd62f143",
    ("fix-nc", "general_mixed"): "5d4e7729196f1a07",
    ("meta", "general_mixed"): "b4db18e88cdec41a",
    ("evaluator", "general_mixed"): "74741f990e356e98",
    ("screening", "general_mixed"): "a5402276d42ae4e6",
    ("fix", "rain"): "9074170f4b786a22",
    ("fix-nc", "rain"): "4368a046eb8fa4b8",
    ("meta", "rain"): "057200c1ca4666be",
    ("evaluator", "rain"): "b2c1eed16adc1a2f",
    ("screening", "rain"): "c57b12d6d5b3b21a",
    ("fix", "haze"): "1b602b533cf5eb04",
    ("fix-nc", "haze"): "faad62fb81d63246",
    ("meta", "haze"): "7583db048a8db469",
    ("evaluator", "haze"): "ae88073754c8fce0",
    ("screening", "haze"): "6335318dccfd8741",
    ("fix", "snow"): "63ece21033d12683",
    ("fix-nc", "snow"): "82639e58cb57a44b",
    ("meta", "snow"): "be30b829ee942241",
    ("evaluator", "snow"): "5f09aa6b8be503a4",
    ("screening", "snow"): "fe25b59b54d840ee",
    ("fix", "low_light"): "9d7b3b56de88ab7b",
    ("fix-nc", "low_light"): "86a3e627e41b33b6",
    ("meta", "low_light"): "4a251ae2b6fc2414",
    ("evaluator", "low_light"): "a6356fb869b1ec5c",
    ("screening", "low_light"): "35c1791475b31951",
    ("fix", "old_photo"): "89a982f7d5aec77b",
    ("fix-nc", "old_photo"): "f91fe6e7836a0331",
    ("meta", "old_photo"): "594136521b123ff6",
    ("evaluator", "old_photo"): "514f6eb0fa391774",
    ("screening", "old_photo"): "d95aae50025daa4f",
}


def digest(kind: str, category: str) -> str:
    text = PROMPTS[kind, category]
    return hashlib.sha256(f"{text.version}\n{text.system}\n{text.user}".encode()).hexdigest()[:16]


def plain(text: str) -> str:
    """``text`` without markup, list dashes and line breaks."""
    return " ".join(re.sub(r"^- ", "", re.sub(r"```|\*", "", text), flags=re.MULTILINE).split())


def test_every_kind_and_category_has_the_text_of_its_version() -> None:
    assert set(PROMPTS) == set(HASHES)
    assert {category for _, category in PROMPTS} == set(CATEGORIES)
    assert {key: digest(*key) for key in PROMPTS} == HASHES


def test_a_text_is_found_under_its_own_name() -> None:
    assert PROMPTS["fix", "haze"].user == "Please dehaze the image."
    assert PROMPTS["fix-nc", "haze"].user == "Please dehaze the image. But do not change the image content."
    assert "snowy-scene" in PROMPTS["meta", "snow"].system
    assert "with no hue shift" in PROMPTS["meta", "snow"].system
    assert PROMPTS["meta", "haze"].user.endswith("shape distortion).. Output only the prompt:")
    assert {(t.kind, t.category) for t in PROMPTS.values()} == set(PROMPTS)
    assert "Table B.1" in PROMPTS["fix", "rain"].source
    assert {kind for (kind, _), text in PROMPTS.items() if not text.source} == {"screening"}, "all others are the paper's"


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_evaluator_is_told_its_task_and_the_scores_it_must_give(category: str) -> None:
    system = PROMPTS["evaluator", category].system
    assert f"\nTASK: {FILES['evaluator.toml']['tasks'][category]}\n" in system
    assert "{task}" not in system
    assert '"final decision": "Accept" or "Reject"' in system
    assert system.endswith("Reject if consistency < 90\nAccept only if ALL scores ≥ 60")


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_screening_is_told_what_to_look_for_and_asks_for_what_is_read(category: str) -> None:
    system = PROMPTS["screening", category].system
    assert FILES["screening.toml"]["artifacts"][category] in system
    assert "{artifact}" not in system
    assert "{title}" not in system
    for name in (*YES_NO, SCORE, LEVEL, REASONS):
        assert f'"{name}"' in system


@pytest.mark.parametrize("paper", PAPERS)
def test_texts_are_the_papers_word_for_word(paper: Path) -> None:
    printed = plain(paper.read_text(encoding="utf-8"))
    for (kind, category), text in PROMPTS.items():
        if not text.source:
            continue  # ours
        task = plain(FILES["evaluator.toml"]["tasks"][category])
        system = plain(text.system)
        # The figure lists all tasks where a prompt has its own.
        pieces = system.split(task) if kind == "evaluator" else [system]
        for piece in (*pieces, plain(text.user), task):
            assert piece in printed, f"{kind} for {category}"


def broken(name: str, *keys: str, value: object) -> dict[str, dict[str, Any]]:
    """The files with one entry set to ``value``, or taken out for None."""
    files = copy.deepcopy(FILES)
    place = files[name]
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return files


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (broken("fixed.toml", "fix-nc", "snow", value=None), "snow"),
        (broken("meta.toml", "rain", value=None), "rain"),
        (broken("evaluator.toml", "tasks", "haze", value=None), "haze"),
        (broken("fixed.toml", "fix", "fog", value="Remove it."), "unknown categories: fog"),
        (broken("meta.toml", "fog", value={"system": "s", "user": "u"}), "unknown categories: fog"),
        (broken("fixed.toml", "fix", "rain", value=" "), "fix for rain is empty"),
        (broken("meta.toml", "rain", "system", value=""), "meta for rain is empty"),
        (broken("meta.toml", "rain", "user", value=""), "meta for rain is empty"),
        (broken("evaluator.toml", "tasks", "haze", value=""), "evaluator for haze is empty"),
        (broken("screening.toml", "artifacts", "snow", value=""), "screening for snow is empty"),
        (broken("screening.toml", "artifacts", "fog", value="fog"), "unknown categories: fog"),
    ],
)
def test_a_damaged_file_stops_the_start_and_not_a_paid_run(files: Mapping[str, Mapping[str, Any]], why: str) -> None:
    with pytest.raises((KeyError, ValueError), match=why):
        load(files.__getitem__)
