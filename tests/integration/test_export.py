"""Export: the dataset itself. If this breaks, a lab trains on pairs nobody verified, or on files that are not theirs."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from app.db import reading, unit_of_work
from app.errors import Conflict, GgtError
from app.models import Candidate, Image, Score, Stage, Verdict
from app.services import review
from app.services.export import Exported, export_pairs
from app.storage import LocalStorage, storage
from tests import factories

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
]
SCORES = {"restoration_quality": 80, "object_consistency": 95, "geometry_alignment": 90, "content_reasonableness": 90,
          "color_consistency": 88}  # fmt: skip


def verified(category: str = "rain", side: int = factories.SIDE) -> Image:
    """An image whose second attempt was judged, scored, and accepted by a person."""
    with unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING, category, side=side)
        first = factories.make_candidate(session, image, chosen=False)
        second = factories.make_candidate(session, image, parent=first)
        hq, lq = second.pixel_sha256, image.pixel_sha256
        session.add_all(
            [
                Verdict(candidate_id=first.id or 0, judge="local-measure", version="1", scores={**SCORES, "object_consistency": 50},
                        decision="reject", rule_decision="reject", raw="{}"),
                Verdict(candidate_id=second.id or 0, judge="local-measure", version="1", scores=SCORES,
                        decision="accept", rule_decision="accept", raw="{}"),
                Score(pixel_sha256=hq, metric="niqe", version="v", value=3.5),
                Score(pixel_sha256=lq, metric="niqe", version="v", value=5.5),
                Score(pixel_sha256=hq, reference_sha256=lq, metric="psnr", version="v", value=27.0),
                Score(pixel_sha256=hq, reference_sha256="f" * 64, metric="psnr", version="v", value=1.0),
            ]
        )  # fmt: skip
        accept(image, second)
        return image


def accept(image: Image, candidate: Candidate) -> None:
    with unit_of_work() as session:
        decide(session, image, candidate)


def export(folder: Path, categories: tuple[str, ...] = (), full_size_only: bool = False) -> Exported:
    with reading() as session:
        return export_pairs(session, folder, categories=categories, full_size_only=full_size_only)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]


def assert_whole(folder: Path, pairs: int) -> None:
    """As `sha256sum --check` would: every file listed, every listed file right, nothing else there."""
    listed = dict(line.split("  ", 1)[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"SHA256SUMS"}
    assert set(listed) == there
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed} == listed
    assert len(there) == 2 * pairs + 1
