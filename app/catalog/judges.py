"""Judges that can be chosen. One entry here; a VLM judge asks its model with the evaluator prompt of Fig. C.1."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class JudgeSpec:
    """One judge. A judge with ``local`` set measures pixels on this machine and never counts as VLM-R.

    ``target`` is a local judge's class; ``vlm`` names the model in ``app/catalog/vlms.py`` that a VLM judge asks.
    """

    key: str
    title: str
    target: str = ""
    queue: Literal["cpu", "gpu", "api"] = "cpu"
    local: bool = True
    version: str = "1"
    vlm: str = ""


JUDGES: dict[str, JudgeSpec] = {
    j.key: j
    for j in (
        JudgeSpec("local-measure", "Local measurement (not VLM-R)", "workers.judges.measure:MeasureJudge"),
        JudgeSpec("gemini-3.1-pro", "Gemini-3.1-Pro", queue="api", local=False, vlm="gemini"),
        JudgeSpec("gpt-5.4-pro", "GPT-5.4-Pro", queue="api", local=False, vlm="gpt"),
    )
}

MOST_ASKS = 3
"""How often one pair is shown to a VLM whose replies cannot be read, before a person must look."""
