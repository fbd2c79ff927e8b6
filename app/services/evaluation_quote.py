"""What an evaluation would make and cost, told before it starts, and its name."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.catalog.generators import GENERATORS
from app.errors import GgtError
from app.models import ImageSet
from app.services import estimate, image_sets, set_views
from app.services.options import PipelineOptions, check_options
from app.services.quote import Quote, images, priced

LONGEST_TITLE = 200


def check(session: Session, options: PipelineOptions) -> set[str]:
    """The kinds of the sets. Raises GgtError for what cannot be evaluated: no set, one that is not there or that may still
    change, no setting.
    """
    if not options.set_ids:
        raise GgtError("Choose at least one frozen set.")
    rows = session.execute(select(ImageSet).where(col(ImageSet.id).in_(options.set_ids))).scalars().all()
    if missing := set(options.set_ids) - {row.id for row in rows}:
        raise GgtError(f"There is no image set {min(missing)}.")
    if opened := [row.name for row in rows if row.frozen_at is None]:
        raise GgtError(f"{opened[0]} is not frozen: what is measured on it would not stay true. Freeze it first.")
    if not options.settings:
        raise GgtError("Choose at least one setting.")
    check_options(options)
    return {row.kind for row in rows}


def quote(session: Session, options: PipelineOptions) -> Quote:
    """Images by settings, what is there already, calls and dollars. Six statements. Raises GgtError as ``check``."""
    kinds = check(session, options)
    price = estimate.estimate(session, options)
    count = len(options.settings)
    wanted = price.images * count
    facts = [f"{images(price.images)} by {count} setting{'' if count == 1 else 's'}: {wanted:,} outputs."]
    if price.there:
        facts.append(f"{price.there:,} of them {'is' if price.there == 1 else 'are'} here already and not made again.")
    if options.judge and image_sets.FIDELITY in kinds:
        facts.append("Outputs of fidelity sets are measured and not judged: judging is about real LQ images.")
    facts.append("How long it takes is not known before it runs.")
    gpu = dict.fromkeys(GENERATORS[s.generator].title for s in options.settings if GENERATORS[s.generator].queue == "gpu")
    waits = tuple(f"{title} is run by a GPU worker; without one its items wait." for title in gpu)
    return priced(session, price, price.images, tuple(facts), waits)


def title(session: Session, set_ids: Sequence[int]) -> str:
    """What an evaluation of these sets is called."""
    known = set_views.names(session, set_ids)
    told = f"Evaluate on {', '.join(known.get(set_id, str(set_id)) for set_id in set_ids)}"
    return told if len(told) <= LONGEST_TITLE else told[: LONGEST_TITLE - 3] + "..."
