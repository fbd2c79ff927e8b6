"""Tables go into papers and spreadsheets, where nobody checks them again: no name may become a formula or a command."""

import csv
import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import app.catalog
from app.catalog.metrics import METRICS
from app.cli import main
from app.cli_table import table as table_command
from app.domain.overall_score import MFM_COLUMNS
from app.domain.table_format import FORMULA, NUMBER, Cell, Head, Row, Table, as_csv, as_json, as_latex, as_markdown, csv_text
from app.services.table_export import UnreadableTable, mfm_table, read_settings, score, settings_csv

PUBLISHED = Path(app.catalog.__file__).parent / "published" / "table1_mfm_evaluation.csv"
HEADER = "model,prompt,psnr,ssim,lpips,dists,niqe,musiq,maniqa,topiq_nr,afine_nr,vlm_r"
GOOD = "A,Fix,20,0.5,0.2,0.1,4,60,0.5,0.4,-0.9,0.5\nB,Fix,25,0.7,0.1,0.05,3,70,0.6,0.5,-1.0,0.75\n"
EVEN = {"fid": 1.0, "per": 1.0, "vlm": 1.0}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)

SMALL = Table(
    title="MFMs & prompts",
    labels=(("model", "Model"), ("prompt", "Prompt")),
    heads=(
        Head("psnr", "PSNR", "Fidelity", "higher"),
        Head("lpips", "LPIPS", "Fidelity", "lower"),
        Head("afine_nr", "AFINE-NR", "Perceptual", "lower"),
        Head("vlm_r", "VLM-R", "", "higher", 3, percent=True),
    ),
    rows=(
        Row(
            ("A_1", "Fix"), (Cell(20.0, 100, 19.0, 21.25, 2), Cell(0.12344, 100), Cell(-0.9, 200, place=1), Cell(0.565, 200))
        ),
        Row(("A_1", "GPT"), (Cell(21.0, 100, 20.5, 21.5, 1), Cell(None, 0), Cell(-0.00001, 200), Cell(0.6, 200, place=1))),
        Row(("B", "Fix"), (Cell(19.0, 99, place=3), Cell(0.1, 100), Cell(0.5, 200), Cell(None))),
    ),
    notes=("1 of 3 settings has no Avg.",),
)


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv() -> None:
    assert as_csv(SMALL) == (
        "model,prompt,psnr,lpips,afine_nr,vlm_r\n"
        "A_1,Fix,20.0000,0.1234,-0.9000,0.565\n"
        "A_1,GPT,21.0000,,0.0000,0.600\n"
        "B,Fix,19.0000,0.1000,0.5000,\n"
    )


def test_csv_with_intervals_has_columns_for_what_there_is() -> None:
    lines = cells(as_csv(SMALL, intervals=True))
    psnr = "psnr,psnr_n,psnr_low,psnr_high"
    assert ",".join(lines[0]) == f"model,prompt,{psnr},lpips,lpips_n,afine_nr,afine_nr_n,vlm_r,vlm_r_n"
    assert lines[1][2:6] == ["20.0000", "100", "19.0000", "21.2500"]
    assert lines[3][2:6] == ["19.0000", "99", "", ""]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        " =1+1",
        "-",
        "=",
        "+inf",
        "-nan",
        "-1_000",
    ],
)
def test_text_that_a_spreadsheet_would_run_is_disarmed(text: str) -> None:
    [[found, rest]] = cells(csv_text([[text, "x"]]))
    assert (found, rest) == ("'" + text, "x")


@pytest.mark.parametrize("number", ["-0.9917", "+3", "-1e-5", "-.5", "1.", "-12"])
def test_numbers_stay_as_they_are(number: str) -> None:
    assert csv_text([[number]]) == number + "\n"


def test_no_formula_hides_behind_another_separator() -> None:
    """A spreadsheet set to semicolons splits there, unless the cell is quoted."""
    assert csv_text([["a;=1+1", "a\t=1+1"]]) == '"a;=1+1","a\t=1+1"\n'


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=4))
def test_any_text_comes_back_from_csv_and_none_as_a_formula(lines: list[list[str]]) -> None:
    lines = [[cell.replace("\x00", "") for cell in line] for line in lines]
    back = cells(csv_text(lines))
    assert [[cell.removeprefix("'") for cell in line] for line in back] == [
        [cell.removeprefix("'") for cell in line] for line in lines
    ]
    for cell in (cell for line in back for cell in line):
        assert not cell.startswith(FORMULA) or NUMBER.fullmatch(cell)


def test_markdown() -> None:
    assert as_markdown(SMALL) == (
        "**MFMs &amp; prompts**\n"
        "\n"
        "| Model | Prompt | PSNR ↑ | LPIPS ↓ | AFINE-NR ↓ | VLM-R ↑ |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| A\\_1 | Fix | <u>20.0000</u> | 0.1234 | **-0.9000** | 56.5% |\n"
        "| A\\_1 | GPT | **21.0000** | – | 0.0000 | **60.0%** |\n"
        "| B | Fix | *19.0000* | 0.1000 | 0.5000 | – |\n"
        "\n"
        "Fidelity: PSNR, LPIPS. Perceptual: AFINE-NR. **Best**, <u>second</u>, *third*. 1 of 3 settings has no Avg.\n"
    )
    assert "| <u>20.0000 [19.0000, 21.2500]</u> |" in as_markdown(SMALL, intervals=True)


@given(TEXT)
def test_no_name_breaks_out_of_a_markdown_cell(name: str) -> None:
    made = as_markdown(replace(SMALL, rows=(Row((name, "<script>|`x`"), SMALL.rows[0].cells),)))
    line = made.splitlines()[4]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 7
    assert "<script" not in made


def test_latex() -> None:
    made = as_latex(SMALL, label="tab:mfm")
    assert r"% Needs \usepackage{booktabs} and \usepackage{xcolor}." in made
    for line in (
        r"\caption{MFMs \& prompts. 1 of 3 settings has no Avg. Best, second and third are red, blue and green.}",
        r"\label{tab:mfm}",
        r"\begin{tabular}{llcccc}",
        r" &  & \multicolumn{2}{c}{Fidelity} & \multicolumn{1}{c}{Perceptual} &  \\",
        r"\cmidrule(lr){3-4} \cmidrule(lr){5-5}",
        r"Model & Prompt & PSNR $\uparrow$ & LPIPS $\downarrow$ & AFINE-NR $\downarrow$ & VLM-R $\uparrow$ \\",
        r"A\_1 & Fix & \textcolor{blue}{20.0000} & 0.1234 & \textcolor{red}{$-$0.9000} & 56.5\% \\",
        r" & GPT & \textcolor{red}{21.0000} & -- & 0.0000 & \textcolor{red}{60.0\%} \\",
        r"B & Fix & \textcolor{green}{19.0000} & 0.1000 & 0.5000 & -- \\",
    ):
        assert line in made.splitlines()
    assert made.count("\\midrule") == 2


def test_latex_without_colours() -> None:
    made = as_latex(SMALL, colours=False, wide=False)
    assert "xcolor" not in made
    assert r"\textbf{21.0000}" in made
    assert r"\underline{20.0000}" in made
    assert r"\textit{19.0000}" in made
    assert r"\begin{table}[t]" in made


def test_latex_specials_are_escaped() -> None:
    made = as_latex(replace(SMALL, rows=(Row((r"a_b&c%d$e#f{g}h~i^j\k<l>", "[x]*"), SMALL.rows[0].cells),)))
    assert r"a\_b\&c\%d\$e\#f\{g\}h\textasciitilde{}i\textasciicircum{}j" in made
    assert r"j\textbackslash{}k\textless{}l\textgreater{} & {[}x]{*} &" in made


@given(TEXT)
def test_no_name_breaks_out_of_a_latex_cell(name: str) -> None:
    made = as_latex(replace(SMALL, title=name, rows=(Row((name, name), SMALL.rows[0].cells),), notes=(name,)))
    bare = made.replace("\\\\\n", "\n")
    plain = re.sub(r"\\[&%$#_{}]", "", bare)
    depth = 0
    for mark in plain:
        depth += (mark == "{") - (mark == "}")
        assert depth >= 0
    assert depth == 0
    row = next(line for line in plain.splitlines() if "{20.0000}" in line)
    assert row.count("&") == 5
    assert "%" not in "".join(line for line in plain.splitlines() if not line.startswith("%"))


def test_json_is_typed_and_has_everything() -> None:
    made = json.loads(as_json(SMALL))
    assert made["columns"][3] == {
        "key": "vlm_r", "title": "VLM-R", "group": None, "better": "higher", "digits": 3, "unit": "share"
    }  # fmt: skip
    assert made["rows"][0]["labels"] == {"model": "A_1", "prompt": "Fix"}
    assert made["rows"][0]["cells"]["psnr"] == {"value": 20.0, "n": 100, "low": 19.0, "high": 21.25, "place": 2}
    assert made["rows"][0]["cells"]["lpips"]["value"] == 0.12344
    assert made["rows"][1]["cells"]["lpips"]["value"] is None
    assert made["notes"] == ["1 of 3 settings has no Avg."]


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="A_1 Fix"):
        replace(SMALL, heads=SMALL.heads[:2])


def test_directions_are_the_catalogues() -> None:
    for column in MFM_COLUMNS:
        if column.key in METRICS:
            assert column.better == METRICS[column.key].better


def test_the_published_table_comes_back_byte_by_byte() -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    settings = read_settings(text)
    assert settings_csv(settings, score(settings, EVEN)) == text


def test_the_published_table_reads_as_published() -> None:
    settings = read_settings(PUBLISHED.read_text(encoding="utf-8"))
    made = as_markdown(mfm_table(settings, score(settings, EVEN)))
    assert (
        "| Nano-Banana-2 | Gemini | *27.1701* | *0.7949* | **0.1280** | **0.0738** | 4.6881 | 59.2831 | 0.5872 | 0.4536 "
        "| -0.8980 | *70.0%* | **0.8427** | – |" in made
    )
    assert "Avg. is normalised over these 36 settings." in made
    assert " and weighs fid 0.667, per 0.333." in as_markdown(mfm_table(settings, score(settings, {"fid": 2.0, "per": 1.0})))


def test_what_is_no_part_of_the_table_is_kept_as_it_came() -> None:
    header = HEADER.replace("prompt", "Prompt ,note").replace("vlm_r", "vlm_r,human")
    settings = read_settings(
        f'{header}\nA,Fix,"x, ""y""",20.10,0.5,0.2,0.1,4,60,0.5,0.4,-0.9,0.50,\n'
        "B,Fix,=1,25,0.7,0.1,0.05,3,,0.6,0.5,-1.0,0.75,0.3\n"
    )
    assert settings.others == ("note",)
    assert settings_csv(settings, score(settings, EVEN)).splitlines() == [
        'model,"Prompt ",note,psnr,ssim,lpips,dists,niqe,musiq,maniqa,topiq_nr,afine_nr,vlm_r,avg,human',
        'A,Fix,"x, ""y""",20.10,0.5,0.2,0.1,4,60,0.5,0.4,-0.9,0.50,0.0000,',
        "B,Fix,'=1,25,0.7,0.1,0.05,3,,0.6,0.5,-1.0,0.75,,0.3",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the file is empty"),
        (HEADER + "\n", "no setting below"),
        (HEADER.replace(",", ";") + "\n", "between commas, not semicolons"),
        (HEADER.replace(",lpips", "") + "\n" + GOOD, "line 1: column lpips is missing: add it .* --aspects per,vlm"),
        (HEADER.replace("model", "name") + "\n" + GOOD, "line 1: column model is missing"),
        (HEADER.replace("ssim", "psnr") + "\n" + GOOD, "line 1: column psnr is there twice"),
        (HEADER.replace("ssim", "") + "\n" + GOOD, "line 1, column 4: has no name"),
        (HEADER + "\n" + GOOD.replace("0.7", "good"), 'line 3, column ssim: "good" is not a number'),
        (HEADER + "\n" + GOOD.replace("0.7", "nan"), 'line 3, column ssim: "nan" is not a number.*leave the cell empty'),
        (HEADER + "\n" + GOOD.replace("0.7", "-inf"), "line 3, column ssim"),
        (HEADER + "\n" + GOOD.replace("0.7", "1e200"), "line 3, column ssim.*too large"),
        (HEADER + "\n" + GOOD.replace("0.7,", '"0,7",'), 'line 3, column ssim: "0,7" has a decimal comma'),
        (HEADER + "\n" + GOOD.replace("0.75", "75%"), 'line 3, column vlm_r: "75%" is a percentage: write a share'),
        (HEADER + "\n" + GOOD.replace("0.75", "75"), 'line 3, column vlm_r: "75" is not a share from 0 to 1'),
        (HEADER + "\n" + GOOD.replace("A,", ","), "line 2, column model: empty"),
        (HEADER + "\n\n" + GOOD + "C,Fix,1\n", "line 5: 3 cells where the header has 12"),
        (HEADER + '\nA,"Fix,20\n' + GOOD, "line 2: not CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_with_line_and_column(text: str, why: str) -> None:
    with pytest.raises(UnreadableTable, match=why):
        read_settings(text)


def test_all_that_is_wrong_is_told_at_once_up_to_a_point() -> None:
    with pytest.raises(UnreadableTable) as refused:
        read_settings(HEADER + "\n" + "A,Fix,x,y,0.2,0.1,4,60,0.5,0.4,-0.9,0.5\n" * 8)
    assert len(refused.value.problems) == 16
    assert str(refused.value).splitlines()[-1] == "and 6 more"


def run(*arguments: object, given: str | bytes = "") -> Any:
    return CliRunner().invoke(table_command, ["mfm", *map(str, arguments)], input=given)


def test_the_command_prints_the_published_table() -> None:
    done = run("--from-csv", PUBLISHED)
    assert (done.exit_code, done.stdout, done.stderr) == (0, PUBLISHED.read_text(encoding="utf-8"), "")


@pytest.mark.parametrize(("form", "start"), [("markdown", "**MFMs"), ("latex", "% Needs"), ("json", "{"), ("csv", "model,")])
def test_the_command_knows_the_formats_and_writes_files(form: str, start: str, tmp_path: Path) -> None:
    printed = run("--from-csv", PUBLISHED, "--format", form)
    assert printed.stdout.startswith(start)
    file = tmp_path / "table.out"
    done = run("--from-csv", PUBLISHED, "--format", form, "--output", file)
    assert (done.exit_code, done.stdout, file.read_text(encoding="utf-8")) == (0, "", printed.stdout)


def test_the_command_reads_standard_input_and_chooses_aspects() -> None:
    done = run("--from-csv", "-", "--aspects", "fid", given="\ufeff" + HEADER + "\r\n" + GOOD.replace("\n", "\r\n"))
    assert [line.rpartition(",")[2] for line in done.stdout.splitlines()] == ["avg", "0.0000", "1.0000"]
    lacking = HEADER.removesuffix(",vlm_r") + "\n" + re.sub(r",[\d.]+\n", "\n", GOOD)
    assert run("--from-csv", "-", given=lacking).exit_code == 2
    assert run("--from-csv", "-", "--aspects", "fid,per", given=lacking).exit_code == 0


def test_weights_change_the_average() -> None:
    given = HEADER + "\n" + GOOD.replace("0.75", "0.25")
    done = run("--from-csv", "-", "--weights", "fid=2,per=1,vlm=1", given=given)
    assert [line.rpartition(",")[2] for line in done.stdout.splitlines()[1:]] == ["0.2500", "0.7500"]


def test_what_a_reader_must_know_is_told_beside_the_table() -> None:
    done = run("--from-csv", "-", given=HEADER + "\n" + GOOD.replace("0.75", "0.5"))
    assert done.exit_code == 0
    assert "note: vlm_r is 0.5 in all 2 settings that have it" in done.stderr
    assert "note" not in done.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--aspects", "fid,speed"], '--aspects: there is no aspect "speed"'),
        (["--aspects", ""], '--aspects: there is no aspect ""'),
        (["--weights", "fid"], '--weights: "fid": a weight is a number above 0'),
        (["--weights", "fid=0"], "--aspects leaves an aspect out"),
        (["--weights", "fid=nan"], "a number above 0"),
        (["--aspects", "fid", "--weights", "per=1"], "with aspects of --aspects: fid"),
    ],
)
def test_options_without_a_meaning_end_with_status_2(options: list[str], why: str) -> None:
    done = run("--from-csv", PUBLISHED, *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert why in done.stderr


def test_a_bad_file_ends_with_status_2_and_its_problems() -> None:
    done = run("--from-csv", "-", given=HEADER + "\nA,Fix,x,y,0.2,0.1,4,60,0.5,0.4,-0.9,0.5\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f'error: line 2, column {key}: "{text}" is not a number: write one with a decimal point, '
        "or leave the cell empty where it is missing"
        for key, text in (("psnr", "x"), ("ssim", "y"))
    ]
    assert "not UTF-8 text, from byte 2 on" in run("--from-csv", "-", given=b"ab\xff").stderr


@pytest.mark.parametrize(
    "options", [["--from-csv", "nowhere.csv"], ["--from-csv", PUBLISHED, "--output", "no/where/at.all"]]
)
def test_a_file_that_is_not_there_is_an_error_a_person_can_act_on(options: list[object]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["ggt", "table", "mfm", *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert (ended.value.code, out.getvalue()) == (1, "")
    assert re.search(r"There is no file|cannot be written", err.getvalue())
