"""Review queues, independent decisions, gold questions; decisions with scores, marks and returns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
HELD = sa.text("undone_at IS NULL AND slot IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "review_queue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("filter", sa.String(1000), nullable=False),
        sa.Column("order", sa.String(20), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("people", JSON, nullable=False),
        sa.Column("hide_answers", sa.Boolean(), nullable=False),
        sa.Column("gold_every", sa.Integer(), nullable=False),
        sa.Column("filled", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_review_queue_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_queue")),
        sa.UniqueConstraint("name", name=op.f("uq_review_queue_name")),
    )
    op.create_table(
        "queue_item",
        sa.Column("image_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("queue_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("rank", sa.Float(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_queue_item_image_id")),
        sa.ForeignKeyConstraint(["queue_id"], ["review_queue.id"], name=op.f("fk_queue_item_queue_id")),
        sa.PrimaryKeyConstraint("image_id", "queue_id", name=op.f("pk_queue_item")),
    )
    op.create_index(
        op.f("ix_queue_item_queue_id_open_rank_image_id"), "queue_item", ["queue_id", "open", "rank", "image_id"]
    )
    op.create_table(
        "gold_answer",
        sa.Column("candidate_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidate.id"], name=op.f("fk_gold_answer_candidate_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_gold_answer_image_id")),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_gold_answer_created_by")),
        sa.PrimaryKeyConstraint("candidate_id", name=op.f("pk_gold_answer")),
        sa.UniqueConstraint("image_id", name=op.f("uq_gold_answer_image_id")),
    )
    with op.batch_alter_table("review", schema=None) as table:
        table.add_column(sa.Column("queue_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("kind", sa.String(10), nullable=False, server_default="own"))
        table.add_column(sa.Column("slot", sa.Integer(), nullable=True))
        table.add_column(sa.Column("scores", JSON, nullable=False, server_default="{}"))
        table.add_column(sa.Column("marks", JSON, nullable=False, server_default="[]"))
        table.add_column(sa.Column("returned_by", sa.Integer(), nullable=True))
        table.add_column(sa.Column("returned_note", sa.String(2000), nullable=False, server_default=""))
        table.create_foreign_key(op.f("fk_review_queue_id"), "review_queue", ["queue_id"], ["id"])
        table.create_foreign_key(op.f("fk_review_returned_by"), "user", ["returned_by"], ["id"])
        table.drop_index(op.f("ix_review_user_id"))
    # Until now one decision was wanted on each pair.
    op.execute("UPDATE review SET slot = 0")
    with op.batch_alter_table("review", schema=None) as table:
        for name in ("kind", "scores", "marks", "returned_note"):
            table.alter_column(name, server_default=None)
    op.create_index(op.f("ix_review_queue_id_user_id"), "review", ["queue_id", "user_id"])
    op.create_index(op.f("ix_review_user_id_created_at"), "review", ["user_id", "created_at"])
    op.create_index(
        "uq_review_slot", "review", ["candidate_id", "slot"], unique=True, sqlite_where=HELD, postgresql_where=HELD,
    )  # fmt: skip
    op.create_index(
        "ix_review_returned", "review", ["user_id"], sqlite_where=sa.text("returned_by IS NOT NULL"),
        postgresql_where=sa.text("returned_by IS NOT NULL"),
    )  # fmt: skip
    # What is on a screen now is asked for again by its browser within a minute.
    op.drop_table("review_lease")
    op.create_table(
        "review_lease",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_review_lease_image_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_review_lease_user_id")),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidate.id"], name=op.f("fk_review_lease_candidate_id")),
        sa.ForeignKeyConstraint(["queue_id"], ["review_queue.id"], name=op.f("fk_review_lease_queue_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_lease")),
        sa.UniqueConstraint("image_id", "slot", name=op.f("uq_review_lease_image_id_slot")),
        sa.UniqueConstraint("user_id", "image_id", name=op.f("uq_review_lease_user_id_image_id")),
    )
    op.create_index(op.f("ix_review_lease_expires_at"), "review_lease", ["expires_at"])
    with op.batch_alter_table("image", schema=None) as table:
        table.add_column(sa.Column("decisions_wanted", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("image", schema=None) as table:
        table.alter_column("decisions_wanted", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("image", schema=None) as table:
        table.drop_column("decisions_wanted")
    op.drop_table("review_lease")
    op.create_table(
        "review_lease",
        sa.Column("image_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_review_lease_image_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_review_lease_user_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_review_lease")),
    )
    op.create_index(op.f("ix_review_lease_expires_at"), "review_lease", ["expires_at"])
    op.create_index(op.f("ix_review_lease_user_id"), "review_lease", ["user_id"])
    op.drop_index("ix_review_returned", "review")
    op.drop_index("uq_review_slot", "review")
    op.drop_index(op.f("ix_review_user_id_created_at"), "review")
    op.drop_index(op.f("ix_review_queue_id_user_id"), "review")
    with op.batch_alter_table("review", schema=None) as table:
        table.drop_constraint(op.f("fk_review_returned_by"), type_="foreignkey")
        table.drop_constraint(op.f("fk_review_queue_id"), type_="foreignkey")
        for name in ("returned_note", "returned_by", "marks", "scores", "slot", "kind", "queue_id"):
            table.drop_column(name)
        table.create_index(op.f("ix_review_user_id"), ["user_id"])
    op.drop_table("gold_answer")
    op.drop_index(op.f("ix_queue_item_queue_id_open_rank_image_id"), "queue_item")
    op.drop_table("queue_item")
    op.drop_table("review_queue")
