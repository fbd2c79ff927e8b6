"""Thresholds of multi-stage quality control as data (Sec. 3.3, Appendix C): numbers here, rules in app/domain."""

from app.domain.metric_filter import FilterRule
from app.domain.refinement import RefinementRule
from app.domain.verdict import AcceptRule

ACCEPT_RULE = AcceptRule(min_all=60, minimums={"object_consistency": 90})
"""Fig. C.1: "Reject if consistency < 90. Accept only if ALL scores >= 60". The paper does not say which consistency; it
is read as object consistency, because the example's colours, at 70, are described as generally maintained."""

# The paper names neither the metrics nor the thresholds of its filter; these are our choice. It is a coarse filter
# ahead of a judge, so it is to stop results that no metric finds better rather than to rank good ones.
_MIN_IMPROVEMENT = {"niqe": 0.1, "piqe": 1.0, "brisque": 1.0}
FILTER_RULE = FilterRule(min_improvement=_MIN_IMPROVEMENT, min_passing=2)
# One metric's word is enough where removing the degradation itself counts as a loss with metrics that learnt what
# texture in photographs is like: brightening makes the noise of the night visible, an old photo's grain and a rain streak
# are texture to them, and their smooth replacement a defect. An HQ that none of the three finds better is still excluded.
_LENIENT = FilterRule(min_improvement=_MIN_IMPROVEMENT, min_passing=1)
FILTER_RULES: dict[str, FilterRule] = {"low_light": _LENIENT, "old_photo": _LENIENT, "rain": _LENIENT}


def filter_rule(category: str) -> FilterRule:
    """The metric filter's rule for ``category``: its own, or the general one."""
    return FILTER_RULES.get(category, FILTER_RULE)


MAX_ATTEMPTS = 3
"""Fig. C.2: "up to three attempts in total"."""

# The paper appends "strengthening instructions" without quoting them: these sentences are ours.
REFINEMENT_RULE = RefinementRule(
    max_attempts=MAX_ATTEMPTS,
    strength_up=1.6,
    strength_down=0.6,
    strength_range=(0.1, 4.0),
    keep_detail_step=0.25,
    keep_color_step=0.5,
    instructions={
        "restoration_quality": (
            "The previous result was still visibly degraded: remove the remaining noise, blur, haze, rain, snow, "
            "scratches and compression artifacts completely, and keep natural fine texture."
        ),
        "object_consistency": (
            "The previous result changed objects: keep every object, its number, shape, identity and any text exactly "
            "as in the input, and add or remove nothing."
        ),
        "geometry_alignment": (
            "The previous result moved the scene: keep framing, perspective, scale and the position of every contour "
            "exactly as in the input, pixel for pixel."
        ),
        "content_reasonableness": (
            "The previous result contained invented or implausible content: where the input shows no detail, leave the "
            "area plain instead of inventing any, and avoid halos and repeated patterns."
        ),
        "color_consistency": (
            "The previous result changed colours: keep the hue and white balance of every surface as in the input, and "
            "change brightness only as far as the degradation requires."
        ),
    },
)
