"""What candidates of an evaluation still lack: scores by a metric that was not here, a verdict by another judge."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.catalog.judges import JUDGES
from app.catalog.metrics import METRICS
from app.catalog.vlms import VLMS
from app.config import settings
from app.jobs import NewItem
from app.models import Candidate, Image, Method, Score, Verdict
from app.services import flow, prompts
from app.services.options import PipelineOptions
from app.services.recipes import is_stand_in
from app.services.weights import version_key, weights_status

Made = list[tuple[Candidate, Image]]


def missing(session: Session, options: PipelineOptions, images: Sequence[Image]) -> list[NewItem]:
    """Items that score and judge what a window of images has of the run's settings. A few statements a window."""
    made = _made(session, options, images)
    found = [flow.comparison(candidate, image) for candidate, image in _unscored(session, made)]
    judge = options.judge if options.judge_compared else ""
    if not judge:
        return found
    vlm = JUDGES[judge].vlm
    stand_in = bool(vlm) and settings().stand_in(VLMS[vlm].provider)
    judged = set(
        session.exec(
            select(Verdict.candidate_id).where(
                col(Verdict.judge) == judge,
                col(Verdict.stand_in).is_(stand_in),
                col(Verdict.candidate_id).in_([candidate.id for candidate, _ in made]),
            )
        )
    )
    texts = prompts.in_use(session)
    for candidate, image in made:
        if candidate.id not in judged and not image.reference_pixel_sha256:
            version = texts["evaluator", image.category].version if vlm else 0
            found.append(flow.judge_item(candidate.id or 0, judge, version, decides=False))
    return found


def _made(session: Session, options: PipelineOptions, images: Sequence[Image]) -> Made:
    """First samples by the run's settings, as this installation makes them."""
    wanted = {(setting.generator, setting.strategy, is_stand_in(setting)) for setting in options.settings}
    by_id = {image.id: image for image in images}
    rows = session.exec(
        select(Candidate, Method)
        .join(Method, col(Method.id) == col(Candidate.method_id))
        .where(col(Candidate.image_id).in_(by_id), col(Candidate.parent_id).is_(None), col(Candidate.sample) == 0)
    )
    return [(c, by_id[c.image_id]) for c, m in rows if (m.generator, m.strategy, m.stand_in) in wanted]


def _unscored(session: Session, made: Made) -> Made:
    """Those that lack a value by a metric that can be had here, in the version that it would be given in now."""
    versions = _versions()
    rows = session.exec(
        select(Score.pixel_sha256, Score.reference_sha256, Score.metric, Score.version).where(
            col(Score.pixel_sha256).in_({candidate.pixel_sha256 for candidate, _ in made})
        )
    )
    have = set(rows)
    found = []
    for candidate, image in made:
        reference = image.reference_pixel_sha256 or image.pixel_sha256
        wanted = {
            (candidate.pixel_sha256, reference if METRICS[key].reference else "", key, versions[key])
            for key in flow.comparison(candidate, image).payload["metrics"]
            if key in versions
        }
        if wanted - have:
            found.append((candidate, image))
    return found


def _versions() -> dict[str, str]:
    """The metrics whose weights are here, with what a score by each is recorded under."""
    folder = settings().weights_dir
    lacking = {key for row in weights_status(folder) if row.state != "present" for key in row.metrics}
    return {key: version_key(folder, spec) for key, spec in METRICS.items() if key not in lacking}
