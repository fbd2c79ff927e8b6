"""Judges that can be chosen. One entry here, one file in workers/judges."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class JudgeSpec:
    """One judge. A judge with ``local`` set measures pixels on this machine and never counts as VLM-R."""

    key: str
    title: str
    target: str
    queue: Literal["cpu", "gpu", "api"] = "cpu"
    local: bool = True
    version: str = "1"


JUDGES: dict[str, JudgeSpec] = {
    j.key: j for j in (JudgeSpec("local-measure", "Local measurement (not VLM-R)", "workers.judges.measure:MeasureJudge"),)
}
