"""Sets of images that methods are compared on, images with a clean reference, and chosen prompt strategies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BOX = ["source_file_id", "category", "box_x", "box_y", "box_width", "box_height"]
OLD_UNIQUE = "uq_image_source_file_id_category_box_x_box_y_box_width_box_height"
ADDED = ("reference_master_sha256", "reference_pixel_sha256", "variant")


def upgrade() -> None:
    with op.batch_alter_table("image") as batch:
        for name in ADDED:
            batch.add_column(sa.Column(name, sa.String(64), nullable=False, server_default=""))
        batch.add_column(sa.Column("degradation", JSON, nullable=False, server_default="{}"))
    with op.batch_alter_table("image") as batch:
        for name in (*ADDED, "degradation"):
            batch.alter_column(name, server_default=None)
        batch.drop_constraint(op.f(OLD_UNIQUE), type_="unique")
        batch.create_unique_constraint(op.f("uq_image_box"), [*BOX, "variant"])
    op.create_table(
        "image_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("recipe", JSON, nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_image_set_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_set")),
        sa.UniqueConstraint("name", name=op.f("uq_image_set_name")),
    )
    op.create_table(
        "image_set_item",
        sa.Column("set_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["set_id"], ["image_set.id"], name=op.f("fk_image_set_item_set_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_image_set_item_image_id")),
        sa.PrimaryKeyConstraint("set_id", "image_id", name=op.f("pk_image_set_item")),
        sa.UniqueConstraint("set_id", "position", name=op.f("uq_image_set_item_set_id_position")),
    )
    op.create_index(op.f("ix_image_set_item_image_id"), "image_set_item", ["image_id"])
    op.create_table(
        "strategy_choice",
        sa.Column("generator", sa.String(100), nullable=False),
        sa.Column("strategy", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("chosen_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["chosen_by"], ["user.id"], name=op.f("fk_strategy_choice_chosen_by")),
        sa.PrimaryKeyConstraint("generator", name=op.f("pk_strategy_choice")),
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("select 1 from image where variant != ''")).first():
        raise RuntimeError("There are images made for a benchmark; without a reference they would pass for real ones.")
    op.drop_table("strategy_choice")
    op.drop_table("image_set_item")
    op.drop_table("image_set")
    with op.batch_alter_table("image") as batch:
        batch.drop_constraint(op.f("uq_image_box"), type_="unique")
        batch.create_unique_constraint(op.f(OLD_UNIQUE), BOX)
        batch.drop_column("degradation")
        for name in reversed(ADDED):
            batch.drop_column(name)
