"""A table of metrics as CSV, Markdown, LaTeX or JSON, with the arrows, decimals and marks that papers use.

CSV, Markdown and LaTeX show the decimals that the heads ask for, JSON keeps all digits. What is text is escaped in each: a
name is never read as a formula by a spreadsheet, as a command by LaTeX, or as markup.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

Better = Literal["higher", "lower", ""]
Format = Literal["csv", "markdown", "latex", "json"]
Marks = Mapping[int, tuple[str, str]]
"""What stands before and behind a value, by its place."""

ARROWS = {"higher": "↑", "lower": "↓", "": ""}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FORMULA = tuple("=+-@＝＋－＠\t\r\n")
"""What a spreadsheet may take for a formula at the beginning of a cell (OWASP, CSV Injection), wide forms included."""


@dataclass(frozen=True)
class Head:
    """A column of numbers. Neighbours of one ``group`` share a head above theirs; ``better`` gives the arrow.

    ``digits`` are decimals of the value as it is stored; a ``percent`` is stored as a share from 0 to 1 and shown with two
    fewer.
    """

    key: str
    title: str
    group: str = ""
    better: Better = ""
    digits: int = 4
    percent: bool = False


@dataclass(frozen=True)
class Cell:
    """A value, None where missing, over ``n`` images, with its interval and its place: 1, 2, 3 for best, second, third."""

    value: float | None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    place: int | None = None


@dataclass(frozen=True)
class Row:
    """What names the row, one text for each of the table's labels, and one cell for each of its heads."""

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table to export. ``labels`` are (key, title) of the columns that name a row; ``notes`` are sentences under it.

    Raises ValueError for a row that does not fit the head.
    """

    title: str
    labels: tuple[tuple[str, str], ...]
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.labels) != len(self.labels) or len(row.cells) != len(self.heads):
                raise ValueError(f"the row {' '.join(row.labels)} does not fit the table's head")


def as_csv(table: Table, *, intervals: bool = False) -> str:
    """A line a row; a percentage is a share from 0 to 1. With ``intervals``, n, low and high follow values having them."""
    parts = {
        head.key: [
            part
            for part in (("n", "low", "high") if intervals else ())
            if any(getattr(row.cells[k], part) is not None for row in table.rows)
        ]
        for k, head in enumerate(table.heads)
    }
    lines: list[list[str]] = [[key for key, _ in table.labels]]
    for head in table.heads:
        lines[0] += [head.key, *(f"{head.key}_{part}" for part in parts[head.key])]
    for row in table.rows:
        line = list(row.labels)
        for head, cell in zip(table.heads, row.cells, strict=True):
            line.append(_fixed(cell.value, head.digits))
            for part in parts[head.key]:
                line.append(_count(cell.n) if part == "n" else _fixed(getattr(cell, part), head.digits))
        lines.append(line)
    return csv_text(lines)


def csv_text(lines: Iterable[Sequence[str]]) -> str:
    """Lines as CSV (RFC 4180 with line feeds). Text that a spreadsheet might run as a formula gets an apostrophe before it.

    Numbers stay as they are, negative ones too. Cells with a semicolon or tab are quoted as well, since some
    spreadsheets would split them there and find a formula behind it.
    """
    return "".join(",".join(_csv_cell(cell) for cell in line) + "\n" for line in lines)


def as_markdown(table: Table, *, intervals: bool = False) -> str:
    """A table as GitHub shows it: best bold, second underlined, third in italics. Groups are named below it."""
    marks: Marks = {1: ("**", "**"), 2: ("<u>", "</u>"), 3: ("*", "*")}
    titles = [_markdown(title) for _, title in table.labels]
    titles += [f"{_markdown(head.title)} {ARROWS[head.better]}".strip() for head in table.heads]
    lines = [titles, ["---"] * len(table.labels) + ["---:"] * len(table.heads)]
    for row in table.rows:
        cells = [
            _marked(cell, _shown(cell, head, "–", intervals), marks)
            for head, cell in zip(table.heads, row.cells, strict=True)
        ]
        lines.append([*(_markdown(label) for label in row.labels), *cells])
    text = [f"**{_markdown(table.title)}**", ""] if table.title else []
    text += ["| " + " | ".join(line) + " |" for line in lines]
    below = [
        f"{_markdown(name)}: {', '.join(_markdown(head.title) for head in heads)}." for name, heads in _groups(table) if name
    ]
    if any(cell.place in marks for row in table.rows for cell in row.cells):
        below.append("**Best**, <u>second</u>, *third*.")
    below += [_markdown(note) for note in table.notes]
    return "\n".join([*text, *(["", " ".join(below)] if below else [])]) + "\n"


def as_latex(table: Table, *, colours: bool = True, intervals: bool = False, label: str = "", wide: bool = True) -> str:
    """A ``table`` with booktabs rules and multicolumn group heads.

    Best, second and third are red, blue and green as in the paper, or without ``colours`` bold, underlined and in
    italics. A first label that repeats is printed once, with a rule before the next one. ``wide`` spans both columns of a
    page.
    """
    names = ("red", "blue", "green")
    styles = ("textbf", "underline", "textit")
    marks: Marks = {
        at + 1: (rf"\textcolor{{{names[at]}}}{{" if colours else rf"\{styles[at]}{{", "}") for at in range(len(names))
    }
    kind, first = "table*" if wide else "table", len(table.labels) + 1
    spans, rules, titles = [""] * len(table.labels), [], [_latex(title) for _, title in table.labels]
    for name, heads in _groups(table):
        spans += [rf"\multicolumn{{{len(heads)}}}{{c}}{{{_latex(name)}}}"] if name else [""] * len(heads)
        if name:
            rules.append(rf"\cmidrule(lr){{{first}-{first + len(heads) - 1}}}")
        first += len(heads)
        titles += [f"{_latex(head.title)} {_arrow(head.better)}".strip() for head in heads]
    packages = r"\usepackage{booktabs}" + (r" and \usepackage{xcolor}" if colours else "")
    ranks = "red, blue and green" if colours else "bold, underlined and in italics"
    marked = any(cell.place in marks for row in table.rows for cell in row.cells)
    caption = [_latex(table.title.rstrip(".") + ".")] if table.title else []
    caption += [_latex(note) for note in table.notes] + ([f"Best, second and third are {ranks}."] if marked else [])
    lines = [
        f"% Needs {packages}.",
        *([r"% A darker green than xcolor's: \definecolor{green}{rgb}{0,0.6,0}"] if colours and marked else []),
        rf"\begin{{{kind}}}[t]",
        r"\centering",
        rf"\caption{{{' '.join(caption)}}}",
        *([rf"\label{{{label}}}"] if label else []),
        *([r"% Too wide? \resizebox{\linewidth}{!}{...} of graphicx around the tabular."] if len(table.heads) > 8 else []),
        rf"\begin{{tabular}}{{{'l' * len(table.labels)}{'c' * len(table.heads)}}}",
        r"\toprule",
        *([" & ".join(spans) + r" \\", " ".join(rules)] if rules else []),
        " & ".join(titles) + r" \\",
        r"\midrule",
    ]
    before: str | None = None
    for row in table.rows:
        labels = [_latex(text) for text in row.labels]
        if len(labels) > 1:
            if row.labels[0] == before:
                labels[0] = ""
            elif before is not None:
                lines.append(r"\midrule")
            before = row.labels[0]
        cells = [
            _marked(cell, _latex_number(_shown(cell, head, "--", intervals)), marks)
            for head, cell in zip(table.heads, row.cells, strict=True)
        ]
        lines.append(" & ".join([*labels, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", rf"\end{{{kind}}}"]) + "\n"


def as_json(table: Table) -> str:
    """One object: title, labels, columns, rows with their cells by column key, notes. A missing value is null."""
    columns = [
        {
            "key": head.key,
            "title": head.title,
            "group": head.group or None,
            "better": head.better or None,
            "digits": head.digits,
            "unit": "share" if head.percent else None,
        }
        for head in table.heads
    ]
    rows = [
        {
            "labels": {key: text for (key, _), text in zip(table.labels, row.labels, strict=True)},
            "cells": {
                head.key: {"value": cell.value, "n": cell.n, "low": cell.low, "high": cell.high, "place": cell.place}
                for head, cell in zip(table.heads, row.cells, strict=True)
            },
        }
        for row in table.rows
    ]
    made: dict[str, Any] = {
        "title": table.title,
        "labels": [{"key": key, "title": title} for key, title in table.labels],
        "columns": columns,
        "rows": rows,
        "notes": list(table.notes),
    }
    return json.dumps(made, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _groups(table: Table) -> list[tuple[str, list[Head]]]:
    return [(name, list(heads)) for name, heads in groupby(table.heads, key=lambda head: head.group)]


def _marked(cell: Cell, text: str, marks: Marks) -> str:
    before, after = marks.get(cell.place or 0, ("", "")) if cell.value is not None else ("", "")
    return before + text + after


def _shown(cell: Cell, head: Head, missing: str, intervals: bool) -> str:
    """The value for people, such as "57.0%" or "0.7224 [0.7101, 0.7340]"."""
    if cell.value is None:
        return missing

    def text(value: float) -> str:
        return f"{_fixed(100 * value, max(0, head.digits - 2))}%" if head.percent else _fixed(value, head.digits)

    if not intervals or cell.low is None or cell.high is None:
        return text(cell.value)
    return f"{text(cell.value)} [{text(cell.low)}, {text(cell.high)}]"


def _fixed(value: float | None, digits: int) -> str:
    """With so many decimals, and without the sign of a zero."""
    return "" if value is None else f"{value:z.{digits}f}"


def _count(n: int | None) -> str:
    return "" if n is None else str(n)


def _csv_cell(text: str) -> str:
    if text.lstrip(" ").startswith(FORMULA) and not NUMBER.fullmatch(text):
        text = "'" + text
    if any(mark in text for mark in '",;\t\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _markdown(text: str) -> str:
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", text)


LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    # Behind the \\ of the line before, these would be read as its arguments.
    "[": "{[}", "*": "{*}",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(LATEX.get(mark, mark) for mark in " ".join(text.split()))


def _latex_number(text: str) -> str:
    return "--" if text == "--" else text.replace("-", "$-$").replace("%", r"\%")


def _arrow(better: Better) -> str:
    return {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "": ""}[better]
