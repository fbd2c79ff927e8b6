"""Saved views; bulk actions, and the images they set aside; which candidate of an image lists show."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = sa.text("taken_back_by IS NULL")
METRICS = ("psnr", "ssim", "lpips", "dists", "niqe", "piqe", "brisque")
CURRENT = {"sqlite_where": sa.text("is_current = 1"), "postgresql_where": sa.text("is_current")}
LATEST = {"sqlite_where": sa.text("is_latest = 1"), "postgresql_where": sa.text("is_latest")}
MARK_CURRENT = """
    UPDATE candidate_summary SET is_current = true
    WHERE candidate_id IN (SELECT current_candidate_id FROM image WHERE current_candidate_id IS NOT NULL)
"""
MARK_LATEST = """
    UPDATE candidate_summary SET is_latest = true
    WHERE candidate_id IN (SELECT max(candidate_id) FROM candidate_summary GROUP BY image_id, method_id)
"""


def upgrade() -> None:
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("path", sa.String(100), nullable=False),
        sa.Column("query", sa.String(2000), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_saved_view_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_saved_view_user_id_name")),
    )
    op.create_table(
        "bulk_action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.Column("query", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("undoes_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("touched", sa.Integer(), nullable=False),
        sa.Column("passed_over", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["undoes_id"], ["bulk_action.id"], name=op.f("fk_bulk_action_undoes_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_bulk_action_run_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_bulk_action_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_action")),
        sa.UniqueConstraint("key", name=op.f("uq_bulk_action_key")),
    )
    op.create_index(op.f("ix_bulk_action_undoes_id"), "bulk_action", ["undoes_id"])
    op.create_index(op.f("ix_bulk_action_user_id"), "bulk_action", ["user_id"])

    op.create_table(
        "set_aside",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(30), nullable=False),
        sa.Column("stage_reason", sa.String(500), nullable=False),
        sa.Column("taken_back_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["action_id"], ["bulk_action.id"], name=op.f("fk_set_aside_action_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_set_aside_image_id")),
        sa.ForeignKeyConstraint(["taken_back_by"], ["bulk_action.id"], name=op.f("fk_set_aside_taken_back_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_aside")),
    )
    op.create_index("uq_set_aside_open", "set_aside", ["image_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index(op.f("ix_set_aside_action_id_image_id"), "set_aside", ["action_id", "image_id"])

    for key in METRICS:  # those of today, with what lists need in them, come after the last migration
        op.execute(f"DROP INDEX IF EXISTS ix_metric_{key}")
    for flag in ("is_current", "is_latest"):
        op.add_column("candidate_summary", sa.Column(flag, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(MARK_CURRENT)
    op.execute(MARK_LATEST)
    op.drop_index(op.f("ix_candidate_summary_method_id_image_id"), "candidate_summary")
    op.create_index("ix_candidate_summary_current", "candidate_summary", ["decision", "image_id"], **CURRENT)
    op.create_index("ix_candidate_summary_current_image", "candidate_summary", ["image_id"], **CURRENT)
    op.create_index("ix_candidate_summary_latest", "candidate_summary", ["method_id", "image_id"], **LATEST)


def downgrade() -> None:
    for name in ("current", "current_image", "latest"):
        op.drop_index(f"ix_candidate_summary_{name}", "candidate_summary")
    for key in METRICS:
        for which in ("current", "category", "latest"):
            op.execute(f"DROP INDEX IF EXISTS ix_metric_{which}_{key}")
    op.create_index(op.f("ix_candidate_summary_method_id_image_id"), "candidate_summary", ["method_id", "image_id"])
    op.drop_column("candidate_summary", "is_latest")
    op.drop_column("candidate_summary", "is_current")
    op.drop_table("set_aside")
    op.drop_table("bulk_action")
    op.drop_table("saved_view")
