"""What annotators must not know of a pair before they have decided on it: the judge's verdict, and what others said.

It is kept from them while the pair waits in an open queue that hides answers. Researchers and admins see everything, so
whoever reads for them asks nothing of this. An annotator is ``blind`` (their user id) where lists and histories are read.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, select

from app.models import Image, QueueItem, Review, ReviewQueue, table_of

# Aliases: these conditions stand inside statements that read the same tables.
IMAGES, REVIEWS = table_of(Image).alias("decided_image"), table_of(Review).alias("decision_of_mine")
ITEMS, QUEUES = table_of(QueueItem).alias("hiding_item"), table_of(ReviewQueue).alias("hiding_queue")


def in_hiding_queue(image_id: Any) -> ColumnElement[bool]:
    """Whether an image waits in an open queue that hides answers."""
    return (
        select(ITEMS.c.image_id)
        .join(QUEUES, QUEUES.c.id == ITEMS.c.queue_id)
        .where(ITEMS.c.image_id == image_id, ITEMS.c.open, QUEUES.c.active, QUEUES.c.hide_answers)
        .exists()
    )


def hidden(image_id: Any, blind: int) -> ColumnElement[bool]:
    """Whether the answers about an image are hidden from a person. A decision on an earlier candidate opens nothing."""
    decided = (
        select(REVIEWS.c.id)
        .join(IMAGES, IMAGES.c.current_candidate_id == REVIEWS.c.candidate_id)
        .where(IMAGES.c.id == image_id, REVIEWS.c.user_id == blind)
        .where(REVIEWS.c.slot.is_not(None), REVIEWS.c.undone_at.is_(None))
    )
    return and_(in_hiding_queue(image_id), ~decided.exists())
