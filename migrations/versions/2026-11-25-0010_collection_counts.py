"""Indexes from which the collection pages count: photographs by licence and author, images by source, category and stage."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_source_file_source_id_licence_author"), "source_file", ["source_id", "licence", "author"])
    op.create_index(op.f("ix_image_source_id_category_stage"), "image", ["source_id", "category", "stage"])
    op.drop_index(op.f("ix_image_source_id_category"), "image")


def downgrade() -> None:
    op.create_index(op.f("ix_image_source_id_category"), "image", ["source_id", "category"])
    op.drop_index(op.f("ix_image_source_id_category_stage"), "image")
    op.drop_index(op.f("ix_source_file_source_id_licence_author"), "source_file")
