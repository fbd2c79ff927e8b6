"""A Sankey diagram's layout: where boxes and ribbons lie, as numbers. Drawing is the template's.

Nodes stand in columns in the order given. A ribbon is as thick as its value, in one scale for the whole diagram; a node
stands in a slot at least as high as its label, so that neither nodes nor labels meet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Node:
    """Something that flows pass. ``tone`` is for the drawing alone: what it is a matter of."""

    key: str
    column: int
    title: str
    tone: str = ""


@dataclass(frozen=True)
class Link:
    """So much goes from one node to one of a later column."""

    source: str
    target: str
    value: int


@dataclass(frozen=True)
class Size:
    """The room, in pixels: ``height`` is what the flow itself may take, small nodes may make the diagram higher.

    ``right`` is what the labels of the last column take on its right; without it they stand on its left.
    """

    width: float = 1100
    height: float = 360
    node: float = 10
    gap: float = 6
    slot: float = 15
    right: float = 0


@dataclass(frozen=True)
class PlacedNode:
    """A node's box. ``slot_y`` and ``slot`` are where its label may stand, on its left or its right."""

    key: str
    title: str
    tone: str
    value: int
    x: float
    y: float
    width: float
    height: float
    slot_y: float
    slot: float
    label: Literal["left", "right"]

    @property
    def middle(self) -> float:
        return round(self.y + self.height / 2, 2)


@dataclass(frozen=True)
class PlacedLink:
    """A ribbon from the right side of one node at ``y0`` to the left side of another at ``y1``, downwards ``thickness``."""

    source: str
    target: str
    tone: str
    value: int
    x0: float
    y0: float
    x1: float
    y1: float
    thickness: float

    @property
    def path(self) -> str:
        """The ribbon as an SVG path."""
        x0, x1, t = self.x0, self.x1, self.thickness
        m = (x0 + x1) / 2
        upper = f"M{x0:.2f} {self.y0:.2f}C{m:.2f} {self.y0:.2f} {m:.2f} {self.y1:.2f} {x1:.2f} {self.y1:.2f}"
        lower = f"V{self.y1 + t:.2f}C{m:.2f} {self.y1 + t:.2f} {m:.2f} {self.y0 + t:.2f} {x0:.2f} {self.y0 + t:.2f}Z"
        return upper + lower


@dataclass(frozen=True)
class Drawing:
    width: float
    height: float
    nodes: tuple[PlacedNode, ...] = ()
    links: tuple[PlacedLink, ...] = ()


def layout(nodes: Sequence[Node], links: Iterable[Link], size: Size = Size()) -> Drawing:
    """Place ``nodes`` and ``links``; what nothing flows through is left out.

    A node's value is what comes in or what goes out, whichever is more: what ends there needs no link. Raises ValueError for
    a link to or from an unknown node, one that does not lead to a later column, or one below zero.
    """
    known = {node.key: node for node in nodes}
    links = [link for link in links if _checked(link, known).value]
    arriving = {key: sum(link.value for link in links if link.target == key) for key in known}
    leaving = {key: sum(link.value for link in links if link.source == key) for key in known}
    values = {key: max(arriving[key], leaving[key]) for key in known}
    shown = [node for node in nodes if values[node.key]]
    if not shown:
        return Drawing(size.width, 0)
    columns = [[n for n in shown if n.column == column] for column in sorted({n.column for n in shown})]
    scale = min(
        max(size.height - size.gap * (len(column) - 1), size.slot) / sum(values[n.key] for n in column) for column in columns
    )
    step = (size.width - size.node - size.right) / max(1, len(columns) - 1)
    placed = {
        node.key: node
        for number, column in enumerate(columns)
        for node in _column(column, values, scale, number * step, size, last=number == len(columns) - 1 and not size.right)
    }
    height = max(node.slot_y + node.slot for node in placed.values())
    order = {node.key: number for number, node in enumerate(shown)}
    return Drawing(size.width, round(height, 2), tuple(placed.values()), _ribbons(links, placed, order, scale))


def _checked(link: Link, known: dict[str, Node]) -> Link:
    for end in (link.source, link.target):
        if end not in known:
            raise ValueError(f"there is no node {end!r}")
    if known[link.source].column >= known[link.target].column:
        raise ValueError(f"{link.source!r} to {link.target!r} does not lead to a later column")
    if link.value < 0:
        raise ValueError(f"{link.value} from {link.source!r} to {link.target!r} is below zero")
    return link


def _column(
    nodes: Sequence[Node], values: dict[str, int], scale: float, x: float, size: Size, *, last: bool
) -> Iterable[PlacedNode]:
    top = 0.0
    for node in nodes:
        height = values[node.key] * scale
        slot = max(height, size.slot)
        y = top + (slot - height) / 2
        label: Literal["left", "right"] = "left" if last else "right"
        yield PlacedNode(node.key, node.title, node.tone, values[node.key], x, y, size.node, height, top, slot, label)
        top += slot + size.gap


def _ribbons(
    links: Sequence[Link], placed: dict[str, PlacedNode], order: dict[str, int], scale: float
) -> tuple[PlacedLink, ...]:
    """The ribbons, stacked at each node in the order of what they lead to, so that they cross as little as they can."""
    down_left = {key: node.y for key, node in placed.items()}
    starts: dict[tuple[str, str], float] = {}
    down_right = dict(down_left)
    for link in sorted(links, key=lambda link: order[link.target]):
        starts[link.source, link.target] = down_right[link.source]
        down_right[link.source] += link.value * scale
    ribbons = []
    for link in sorted(links, key=lambda link: (order[link.source], order[link.target])):
        source, target = placed[link.source], placed[link.target]
        ribbons.append(
            PlacedLink(
                link.source, link.target, target.tone, link.value, source.x + source.width,
                starts[link.source, link.target], target.x, down_left[link.target], link.value * scale,
            )
        )  # fmt: skip
        down_left[link.target] += link.value * scale
    return tuple(ribbons)
