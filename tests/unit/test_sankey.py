"""The Sankey's layout: what flows in flows out, nothing lies over anything else, whatever the numbers are."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sankey import Drawing, Link, Node, PlacedLink, Size, layout

NODES = [
    Node("a", 0, "A"), Node("b", 0, "B"), Node("x", 1, "X"), Node("y", 1, "Y"), Node("z", 1, "Z"), Node("end", 2, "End"),
    Node("out", 2, "Out"),
]  # fmt: skip
PATHS = [("a", "x"), ("a", "y"), ("b", "y"), ("b", "z"), ("x", "end"), ("y", "end"), ("y", "out"), ("z", "out")]
NEAR = 1e-6


def drawn(values: Sequence[int]) -> Drawing:
    return layout(NODES, [Link(s, t, value) for (s, t), value in zip(PATHS, values, strict=True)])


def bands(links: Sequence[PlacedLink], key: str, side: str) -> list[tuple[float, float]]:
    """Where ribbons meet one side of a node, from the top down."""
    ends = [(k.y0, k.thickness) for k in links if k.source == key] if side == "right" else []
    ends += [(k.y1, k.thickness) for k in links if k.target == key] if side == "left" else []
    return sorted((top, top + thickness) for top, thickness in ends)


sizes = st.integers(0, 2_000_000)


@given(st.tuples(*[sizes] * len(PATHS)))
def test_flow_is_conserved_and_nothing_overlaps(values: tuple[int, ...]) -> None:
    drawing = drawn(values)
    assert sum(link.value for link in drawing.links) == sum(values)
    for node in drawing.nodes:
        arriving = sum(k.value for k in drawing.links if k.target == node.key)
        leaving = sum(k.value for k in drawing.links if k.source == node.key)
        assert node.value == max(arriving, leaving) > 0
        scale = node.height / node.value
        for side, total in (("left", arriving), ("right", leaving)):
            met = bands(drawing.links, node.key, side)
            assert sum(low - high for high, low in met) == pytest.approx(total * scale, abs=NEAR)
            assert all(here[1] <= below[0] + NEAR for here, below in pairwise(met))
            assert all(node.y - NEAR <= high <= low <= node.y + node.height + NEAR for high, low in met)
    scales = {round(node.height / node.value, 12) for node in drawing.nodes}
    assert len(scales) <= 1, "one scale for all"


@given(st.tuples(*[sizes] * len(PATHS)))
def test_labels_have_room(values: tuple[int, ...]) -> None:
    drawing = drawn(values)
    for x in {node.x for node in drawing.nodes}:
        column = sorted((node for node in drawing.nodes if node.x == x), key=lambda node: node.slot_y)
        assert all(node.slot >= Size().slot for node in column)
        assert all(one.slot_y + one.slot + Size().gap <= two.slot_y + NEAR for one, two in pairwise(column))
        assert all(node.slot_y <= node.y and node.y + node.height <= node.slot_y + node.slot + NEAR for node in column)
        assert column[-1].slot_y + column[-1].slot <= drawing.height + 0.01
        assert 0 <= x <= drawing.width - Size().node + NEAR


def test_what_nothing_flows_through_is_left_out() -> None:
    assert [node.key for node in drawn([5, 0, 0, 0, 5, 0, 0, 0]).nodes] == ["a", "x", "end"]
    assert drawn([0] * len(PATHS)) == Drawing(Size().width, 0)


def test_what_ends_at_a_node_needs_no_link() -> None:
    drawing = drawn([9, 0, 0, 0, 4, 0, 0, 0])
    x = next(node for node in drawing.nodes if node.key == "x")
    assert (x.value, x.height) == (9, 360)


def test_the_flow_takes_the_height_it_may() -> None:
    drawing = drawn([100, 100, 100, 100, 100, 100, 100, 100])
    assert drawing.height == pytest.approx(Size().height, abs=0.1)
    assert drawing.links[0].path.startswith("M10.00 0.00C")


@pytest.mark.parametrize(
    "link", [Link("a", "nowhere", 1), Link("nowhere", "x", 1), Link("x", "a", 1), Link("a", "b", 1), Link("a", "x", -1)]
)
def test_a_wrong_link_is_an_error(link: Link) -> None:
    with pytest.raises(ValueError, match=r"there is no node|later column|below zero"):
        layout(NODES, [link])


def test_labels_of_the_last_column_get_room_on_the_right() -> None:
    values = [100, 100, 100, 100, 100, 100, 100, 100]
    links = [Link(s, t, value) for (s, t), value in zip(PATHS, values, strict=True)]
    roomy = layout(NODES, links, Size(right=90))
    assert {node.label for node in roomy.nodes} == {"right"}
    assert max(node.x + node.width for node in roomy.nodes) == pytest.approx(Size().width - 90)
    assert {node.key for node in layout(NODES, links).nodes if node.label == "left"} == {"end", "out"}
