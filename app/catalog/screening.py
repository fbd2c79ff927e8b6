"""The screening of patches as data: its steps, who may answer each, and from which number on (Sec. 3.1, Appendix A).

The paper names what is removed, and that Gemini and people did it; it gives no number. **All thresholds are ours**, set on
the real photographs and renderings that docs/screening.md lists. What is measured on this machine stands in for the VLM and
the people of the paper, is called so wherever it is told, and never counts as a VLM's answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.catalog.categories import CATEGORIES
from app.domain.screening import MEASURE, OFF, PERSON, StepRule

VLM = "vlm"
"""Stands for any key of app/catalog/vlms.py among those who may answer a step."""


@dataclass(frozen=True)
class Step:
    """One step: what it is for, in a sentence, and who may answer it: person, measure, vlm, off."""

    key: str
    title: str
    meaning: str
    answers: tuple[str, ...]


STEPS: dict[str, Step] = {
    s.key: s
    for s in (
        Step("look", "Look", "A person looks at the whole photograph, before its patches are screened.", (PERSON, OFF)),
        Step("metric", "Metrics", "Numbers, no-reference metrics among them, are within limits.", (MEASURE, OFF)),
        Step("content", "Content", "It shows something: patches with little structure go.", (MEASURE, VLM, OFF)),
        Step("degraded", "Too degraded", "Most of the content is still there to restore.", (MEASURE, VLM, OFF)),
        Step("artifact", "Artifact", "The rain, snow, haze, ... of its category can be seen.", (MEASURE, VLM, OFF)),
        Step("unsafe", "Unsafe or private", "What may be is kept back until a person decides.", (MEASURE, VLM, PERSON, OFF)),
        Step("level", "Level", "How good it still is: high, medium or low.", (MEASURE, VLM, PERSON, OFF)),
        Step("sampling", "Sampling", "Patches are drawn by level, 1:2:3 in the paper.", ()),
    )
}
"""In order. A run has rules for those from metric to level; look is chosen at the ingest, sampling is a run of its own."""

RULED = ("metric", "content", "degraded", "artifact", "unsafe", "level")
MEASURED_AS = 1
"""Raised whenever a measurement changes: numbers of another version are measured anew."""


@dataclass(frozen=True)
class Measure:
    """A number of a patch: its range, and what it tells."""

    title: str
    range: str
    meaning: str


MEASURES: dict[str, Measure] = {
    "structure": Measure(
        "Structure", "0 to 1", "share of 16x16 blocks that show something beyond noise and a slope of light"
    ),
    "contrast": Measure(
        "Contrast", "4 to 255 levels", "from the 1st to the 99th percentile of luminance, noise averaged out"
    ),
    "light": Measure("Light", "0 to 255 levels", "mean luminance"),
    "clipped": Measure("Clipped", "0 to 1", "share of pixels that are black or white"),
    "noise": Measure("Noise", "levels", "standard deviation by the wavelet estimate of Donoho and Johnstone"),
    "grain": Measure("Grain", "levels", "unevenness of the flattest tenth of the patch: noise, grain, compression"),
    "sharpness": Measure("Sharpness", "0 to 4", "steepness of edges at full size; 2 is sharp, 1 a wide blur"),
    "outlines": Measure("Outlines", "0 to 4", "the same at a quarter of the size: at 1.1 not even outlines are left"),
    "blocks": Measure("Blocks", "0 and up", "step across the grid of 8x8 JPEG blocks, over the step within"),
    "scratches": Measure("Scratches", "0 to 15 %", "pixels on thin bright lines (old photos)"),
    "quality": Measure("Quality", "0 to 100", "what is left by sharpness, grain, blocks, contrast and scratches"),
    "artifact": Measure("Artifact", "0 to 100", "how visible the category's degradation is, by measurement"),
    "faces": Measure("Faces", "number", "faces seen from the front that fill a tenth of the patch or more (crude)"),
    "niqe": Measure("NIQE", "0 and up", "no-reference quality, lower is better; takes about a second"),
    "piqe": Measure("PIQE", "0 to 100", "no-reference quality, lower is better; takes about a second"),
    "brisque": Measure("BRISQUE", "about -10 to 150", "no-reference quality, lower is better; takes about a second"),
}
NO_REFERENCE = ("niqe", "piqe", "brisque")
"""Computed only where a limit names them."""

_CONTENT = StepRule("content", MEASURE, least={"structure": 0.1})
_DEGRADED = StepRule(
    "degraded", MEASURE, least={"contrast": 15, "outlines": 1.15}, most={"grain": 25, "blocks": 8, "clipped": 0.9}
)
_LEVEL = StepRule("level", MEASURE, least={"high": 85, "medium": 65})
_ARTIFACT = {"rain": 25.0, "snow": 20.0, "haze": 40.0, "low_light": 40.0, "old_photo": 25.0}
# No limit is named, so nothing is computed: NIQE and its kin take a second each.
_OFF = {step: StepRule(step, OFF) for step in RULED} | {"metric": StepRule("metric", MEASURE)}

DEFAULTS: dict[str, dict[str, StepRule]] = {
    category: _OFF | {"content": _CONTENT, "degraded": _DEGRADED} | more
    for category, more in {
        "general_mixed": {"level": _LEVEL},
        "rain": {"artifact": StepRule("artifact", MEASURE, least={"artifact": _ARTIFACT["rain"]})},
        # Flakes before white ground are not seen by measurement: the one real snowfall we have would be screened out.
        "snow": {},
        "haze": {
            "artifact": StepRule("artifact", MEASURE, least={"artifact": _ARTIFACT["haze"]}),
            "degraded": StepRule("degraded", MEASURE, least={"contrast": 10}, most={"grain": 25, "blocks": 8}),
        },
        "low_light": {
            "content": StepRule("content", MEASURE, least={"structure": 0.05}),
            "degraded": StepRule(
                "degraded", MEASURE, least={"contrast": 10, "outlines": 1.15}, most={"grain": 25, "blocks": 8}
            ),
            "artifact": StepRule("artifact", MEASURE, least={"artifact": _ARTIFACT["low_light"]}),
        },
        "old_photo": {"level": _LEVEL},
    }.items()
}  # fmt: skip
"""Every category's rules before anybody changes them. Levels are for the two categories that the paper samples by level."""

_ASKED: Mapping[str, StepRule] = {
    "content": StepRule("content", VLM, most={"content_poor": 0}),
    "degraded": StepRule("degraded", VLM, most={"overly_degraded": 0}),
    "artifact": StepRule("artifact", VLM, least={"artifact_visible": 50}),
    "unsafe": StepRule("unsafe", VLM, most={"unsafe_or_private": 0}),
    "level": StepRule("level", VLM),
}
_FACES = StepRule("unsafe", MEASURE, most={"faces": 0})


def default_rule(category: str, step: str, who: str = "") -> StepRule:
    """A step's rule for a category as it comes; with ``who``, as it is when they answer it. Raises KeyError."""
    rule = DEFAULTS[category][step]
    if not who or who == rule.who:
        return rule
    if who in (PERSON, OFF):
        return StepRule(step, who)
    if who != MEASURE:
        return StepRule(step, who, _ASKED[step].least, _ASKED[step].most)
    known = {"unsafe": _FACES, "level": _LEVEL, "content": _CONTENT, "degraded": _DEGRADED}
    if step == "artifact" and category in _ARTIFACT:
        return StepRule(step, MEASURE, least={"artifact": _ARTIFACT[category]})
    return known.get(step, StepRule(step, MEASURE))


NUMBERS = {
    "level": ("high", "medium"),
    VLM: ("content_poor", "overly_degraded", "artifact_visible", "unsafe_or_private"),
    MEASURE: tuple(MEASURES),
}
"""What limits may name: for the level of a measurement, of a VLM's step, of a measured one."""

assert set(DEFAULTS) == set(CATEGORIES)
