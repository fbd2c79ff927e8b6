"""How many pairs of each category are wanted: those of GGT-100K (paper, Appendix A), unless people set others."""

TARGETS: dict[str, int] = {
    "general_mixed": 66_058, "low_light": 9_786, "haze": 7_822, "rain": 7_177, "snow": 6_759, "old_photo": 6_105,
}  # fmt: skip
