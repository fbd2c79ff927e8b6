"""Table 1 (MFMs by prompt strategy) from a CSV file: reading with errors that name line and column, Eq. 1, and export."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.overall_score import AVG_DIGITS, LARGEST, MFM_COLUMNS, Column, Overall, marks, overall
from app.domain.table_format import NUMBER, Cell, Format, Head, Row, Table, as_csv, as_json, as_latex, as_markdown, csv_text
from app.errors import GgtError

LABELS = (("model", "Model"), ("prompt", "Prompt"))
ASPECT_TITLES = {"fid": "Fidelity", "per": "Perceptual", "vlm": ""}
TITLES = {"topiq_nr": "TOPIQ", "afine_nr": "AFINE-NR", "vlm_r": "VLM-R"}
"""Where the paper's head is not the key in capitals."""
SHARES = ("vlm_r", "human")
NUMBERS = (*(column.key for column in MFM_COLUMNS), "human")
HUMAN = Head("human", "Human", better="higher", digits=3, percent=True)
AVG = Head("avg", "Avg.", better="higher", digits=AVG_DIGITS)
TOLD = 10
"""Problems told at once."""


class UnreadableTable(GgtError):
    """A file is not a table of settings. ``problems`` are sentences, each with its line and column."""

    status = 422

    def __init__(self, problems: Sequence[str]) -> None:
        more = [f"and {len(problems) - TOLD} more"] if len(problems) > TOLD else []
        super().__init__("\n".join([*problems[:TOLD], *more]))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Settings:
    """A file of settings as it came: its ``header``, its ``records`` cell by cell, and the numbers in them by column key.

    ``columns`` are the metrics it has.
    """

    header: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]
    values: tuple[Mapping[str, float | None], ...]
    columns: tuple[Column, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(_key(name) for name in self.header)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that are no part of Table 1; CSV keeps them."""
        known = {*dict(LABELS), *(column.key for column in MFM_COLUMNS), "avg", "human"}
        return tuple(name for name, key in zip(self.header, self.keys, strict=True) if key not in known)


def read_settings(text: str, aspects: Sequence[str] = ("fid", "per", "vlm")) -> Settings:
    """Settings from CSV text: model, prompt, the metrics of ``aspects``, and if they are there other metrics, avg, human.

    An empty cell is a missing value. Raises UnreadableTable with all that is wrong: nothing is guessed or left out.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                lines.append((start, record))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableTable([f"line {start}: not CSV ({error}): look for a quote that is not closed"]) from error
    if not lines:
        raise UnreadableTable(["the file is empty: its first line must name the columns, as model,prompt,psnr,..."])
    line, header = lines[0]
    _check_header(line, header, aspects)
    if len(lines) == 1:
        raise UnreadableTable(["there is no setting below the line that names the columns"])
    columns = tuple(column for column in MFM_COLUMNS if column.key in map(_key, header))
    problems: list[str] = []
    values = [_values(line, header, record, problems) for line, record in lines[1:]]
    if problems:
        raise UnreadableTable(problems)
    return Settings(tuple(header), tuple(tuple(record) for _, record in lines[1:]), tuple(values), columns)


def score(settings: Settings, weights: Mapping[str, float]) -> Overall:
    """Eq. 1 over the settings, each metric normalised over all of them."""
    return overall(settings.values, settings.columns, weights)


def mfm_table(settings: Settings, scored: Overall, title: str = "MFMs and prompt strategies") -> Table:
    """Table 1 of these settings, for reading: the paper's heads, decimals and marks, Avg from ``scored``."""
    keys, heads = settings.keys, [*mfm_heads(settings.columns), AVG]
    human = [row.get("human") for row in settings.values] if "human" in keys else []
    if human:
        heads.append(HUMAN)
    human_marks = marks(human, "higher", HUMAN.digits)
    rows = []
    for at, (record, values, found) in enumerate(zip(settings.records, settings.values, scored.rows, strict=True)):
        cells = [Cell(values.get(c.key), place=found.marks[c.key]) for c in settings.columns]
        cells.append(Cell(found.avg, place=found.marks["avg"]))
        cells += [Cell(human[at], place=human_marks[at])] if human else []
        rows.append(Row(tuple(record[keys.index(key)].strip() for key, _ in LABELS), tuple(cells)))
    return Table(title, LABELS, tuple(heads), tuple(rows), (*recipe(scored), *scored.notes))


def recipe(scored: Overall) -> tuple[str, ...]:
    """How Avg was made, since it means nothing without the settings it was normalised over."""
    if not scored.n:
        return ()
    shares = scored.shares
    weighed = ", ".join(f"{aspect} {share:.3g}" for aspect, share in shares.items())
    alike = len(shares) == len(ASPECT_TITLES) and max(shares.values()) - min(shares.values()) < 1e-9
    return (f"Avg. is normalised over these {len(scored.rows)} settings" + ("." if alike else f" and weighs {weighed}."),)


def mfm_heads(columns: Sequence[Column] = MFM_COLUMNS) -> tuple[Head, ...]:
    """The heads of these metrics as Table 1 has them."""
    return tuple(
        Head(c.key, TITLES.get(c.key, c.key.upper()), ASPECT_TITLES[c.aspect], c.better, c.digits, c.key in SHARES)
        for c in columns
    )


def settings_csv(settings: Settings, scored: Overall) -> str:
    """The file again, column by column and cell by cell as it came, with ``avg`` from ``scored``.

    An ``avg`` that was not there is put behind the last metric. Text that looks like a formula gets an apostrophe.
    """
    header, records, keys = list(settings.header), [list(record) for record in settings.records], settings.keys
    if "avg" in keys:
        place = keys.index("avg")
    else:
        place = 1 + max(at for at, key in enumerate(keys) if any(key == column.key for column in settings.columns))
        for line in (header, *records):
            line.insert(place, "avg")
    for record, row in zip(records, scored.rows, strict=True):
        record[place] = "" if row.avg is None else f"{row.avg:.{AVG_DIGITS}f}"
    return csv_text([header, *records])


def written(table: Table, form: Format, *, intervals: bool = False) -> str:
    """The table in a format, with the format's usual settings. JSON has the intervals always."""
    if form == "json":
        return as_json(table)
    return {"csv": as_csv, "markdown": as_markdown, "latex": as_latex}[form](table, intervals=intervals)


def _check_header(line: int, header: Sequence[str], aspects: Sequence[str]) -> None:
    keys = [_key(name) for name in header]
    if len(keys) == 1 and any(mark in header[0] for mark in ";\t"):
        raise UnreadableTable(
            [f"line {line}: columns must stand between commas, not semicolons or tabs: save it as CSV with commas"]
        )
    problems = [f"line {line}, column {at}: has no name" for at, key in enumerate(keys, 1) if not key]
    problems += [f"line {line}: column {key} is there twice" for key in dict.fromkeys(keys) if key and keys.count(key) > 1]
    problems += [f"line {line}: column {key} is missing: every setting needs one" for key, _ in LABELS if key not in keys]
    for column in MFM_COLUMNS:
        if column.aspect in aspects and column.key not in keys:
            others = [aspect for aspect in aspects if aspect != column.aspect]
            without = f", or leave its aspect out: --aspects {','.join(others)}" if others else ""
            problems.append(f"line {line}: column {column.key} is missing: add it (cells may be empty){without}")
    if problems:
        raise UnreadableTable(problems)


def _values(line: int, header: Sequence[str], record: Sequence[str], problems: list[str]) -> Mapping[str, float | None]:
    """The numbers of a line by column key. What is wrong with it goes to ``problems``."""
    if len(record) != len(header):
        problems.append(f"line {line}: {len(record)} cells where the header has {len(header)}: check commas and quotes")
        return {}
    row: dict[str, float | None] = {}
    for name, cell in zip(header, record, strict=True):
        key, why = _key(name), ""
        if key in NUMBERS:
            row[key], why = _value(key, cell.strip())
        elif key == "model" and not cell.strip():
            why = "empty: name the model"
        if why:
            problems.append(f"line {line}, column {name.strip()}: {why}")
    return row


def _key(name: str) -> str:
    return name.strip().lower()


def _value(key: str, text: str) -> tuple[float | None, str]:
    """The number in a cell, None where it is empty, and what is wrong with it, ``""`` if nothing."""
    if not text:
        return None, ""
    shown = f'"{text[:40]}"'
    if not NUMBER.fullmatch(text):
        if text.endswith("%"):
            return None, f"{shown} is a percentage: write a share from 0 to 1, as 0.57"
        if NUMBER.fullmatch(text.replace(",", ".")):
            return None, f"{shown} has a decimal comma: write a point"
        return None, f"{shown} is not a number: write one with a decimal point, or leave the cell empty where it is missing"
    value = float(text)
    if not abs(value) < LARGEST:
        return None, f"{shown} is too large to be a measurement"
    if key in SHARES and not 0 <= value <= 1:
        return None, f"{shown} is not a share from 0 to 1, as 0.57 for 57 %"
    return value, ""
