"""Photographs with a licence, author and address each; patches that are screened; settings that people change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
LOOKED_AT = sa.text("look != ''")
HAS_URL = sa.text("url != ''")


def upgrade() -> None:
    with op.batch_alter_table("source") as batch:
        batch.add_column(sa.Column("terms", sa.String(500), nullable=False, server_default=""))
        batch.add_column(sa.Column("held_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("source") as batch:  # one more copy of the table: the first one fills the new columns
        batch.alter_column("terms", server_default=None)
        batch.alter_column("held_out", server_default=None)
    with op.batch_alter_table("source_file") as batch:
        for name, length in (
            ("licence", 100),
            ("author", 200),
            ("url", 1000),
            ("thumbnail_sha256", 64),
            ("look", 10),
            ("look_reason", 200),
        ):
            batch.add_column(sa.Column(name, sa.String(length), nullable=False, server_default=""))
        batch.add_column(sa.Column("keywords", JSON, nullable=False, server_default="[]"))
        batch.add_column(sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("looked_by", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
        batch.create_foreign_key(op.f("fk_source_file_looked_by"), "user", ["looked_by"], ["id"])
    with op.batch_alter_table("source_file") as batch:
        for name in ("licence", "author", "url", "thumbnail_sha256", "look", "look_reason", "keywords"):
            batch.alter_column(name, server_default=None)
    op.create_index("ix_source_file_url", "source_file", ["url"], sqlite_where=HAS_URL, postgresql_where=HAS_URL)
    op.create_index("ix_source_file_look", "source_file", ["look", "id"], sqlite_where=LOOKED_AT, postgresql_where=LOOKED_AT)
    op.create_table(
        "patch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_file_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("resized_width", sa.Integer(), nullable=True),
        sa.Column("resized_height", sa.Integer(), nullable=True),
        sa.Column("box_x", sa.Integer(), nullable=False),
        sa.Column("box_y", sa.Integer(), nullable=False),
        sa.Column("box_width", sa.Integer(), nullable=False),
        sa.Column("box_height", sa.Integer(), nullable=False),
        sa.Column("undersized", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("step", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("level", sa.String(6), nullable=False),
        sa.Column("measures", JSON, nullable=False),
        sa.Column("thumbnail_sha256", sa.String(64), nullable=False),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_file_id"], ["source_file.id"], name=op.f("fk_patch_source_file_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_patch_source_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["user.id"], name=op.f("fk_patch_decided_by")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_patch_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patch")),
        sa.UniqueConstraint(
            "source_file_id", "category", "box_x", "box_y", "box_width", "box_height",
            name=op.f("uq_patch_source_file_id_category_box_x_box_y_box_width_box_height"),
        ),
    )  # fmt: skip
    op.create_index(op.f("ix_patch_state_category_id"), "patch", ["state", "category", "id"])
    op.create_index(
        op.f("ix_patch_source_id_category_state_step_level"), "patch", ["source_id", "category", "state", "step", "level"]
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.String(60), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["changed_by"], ["user.id"], name=op.f("fk_setting_changed_by")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_setting")),
    )


def downgrade() -> None:
    op.drop_table("setting")
    op.drop_table("patch")
    op.drop_index("ix_source_file_look", "source_file")
    op.drop_index("ix_source_file_url", "source_file")
    with op.batch_alter_table("source_file") as batch:
        batch.drop_constraint(op.f("fk_source_file_looked_by"), type_="foreignkey")
        for name in (
            "looked_at", "looked_by", "fetched_at", "keywords", "look_reason", "look", "thumbnail_sha256", "url",
            "author", "licence",
        ):  # fmt: skip
            batch.drop_column(name)
    with op.batch_alter_table("source") as batch:
        batch.drop_column("held_out")
        batch.drop_column("terms")
