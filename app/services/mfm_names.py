"""What settings, judges and columns of Table 1 are called."""

from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.services.mfm_values import SettingKey
from app.services.table_export import TITLES

SHORT_STRATEGY = {"fix": "Fix", "fix-nc": "Fix-NC", "vlm-gpt": "GPT", "vlm-gemini": "Gemini", "none": "–"}
"""Prompt strategies as Table 1 names them."""
PROMPTED = tuple(strategy for strategy in SHORT_STRATEGY if strategy != "none")


def title(setting: SettingKey) -> str:
    """The generator's name as Table 1 has it; what is no MFM says so."""
    spec = GENERATORS.get(setting.generator)
    name = spec.title if spec else setting.name
    marks = ["stand-in"] if setting.stand_in else ["local"] if spec and not spec.prompted else []
    return f"{name} ({', '.join(marks)})" if marks else name


def judge_name(judge: str) -> str:
    """A judge in words, of ``mfm_values.judge_key``."""
    name, _, mark = judge.partition(":")
    spec = JUDGES.get(name)
    said = spec.title.removesuffix(" (not VLM-R)") if spec else name
    return f"stand-in of {said}" if mark else said


def is_vlm_r(judge: str) -> bool:
    """Whether a judge is a real VLM, whose success rate is VLM-R."""
    name, _, mark = judge.partition(":")
    return not mark and name in JUDGES and not JUDGES[name].local


def judge_title(judge: str) -> str:
    """The head of a judge's column."""
    return TITLES["vlm_r"] if not judge or is_vlm_r(judge) else f"Success rate ({judge_name(judge)}, not VLM-R)"


def column_title(key: str) -> str:
    """A column's name as the paper has it."""
    return {"avg": "Avg."}.get(key) or TITLES.get(key, key.upper())
