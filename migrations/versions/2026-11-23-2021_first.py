"""The first tables: people, collection, candidates, reviews, runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "method",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("generator", sa.String(100), nullable=False),
        sa.Column("strategy", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_method")),
        sa.UniqueConstraint("generator", "strategy", name=op.f("uq_method_generator_strategy")),
        sa.UniqueConstraint("name", name=op.f("uq_method_name")),
    )
    op.create_table(
        "score",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pixel_sha256", sa.String(64), nullable=False),
        sa.Column("reference_sha256", sa.String(64), nullable=False),
        sa.Column("metric", sa.String(40), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("device", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score")),
        sa.UniqueConstraint(
            "pixel_sha256",
            "reference_sha256",
            "metric",
            "version",
            name=op.f("uq_score_pixel_sha256_reference_sha256_metric_version"),
        ),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("licence", sa.String(100), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("name", name=op.f("uq_source_name")),
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_api_token_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index(op.f("ix_api_token_user_id"), "api_token", ["user_id"])

    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_event_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_at"), "event", ["at"])
    op.create_index(op.f("ix_event_subject"), "event", ["subject"])
    op.create_index(op.f("ix_event_user_id"), "event", ["user_id"])

    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_invitation_created_by")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_invitation_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("params", JSON, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_run_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_state"), "run", ["state"])

    op.create_table(
        "sign_in",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_sign_in_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_token_hash")),
    )
    op.create_index(op.f("ix_sign_in_user_id"), "sign_in", ["user_id"])

    op.create_table(
        "source_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(500), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("format", sa.String(10), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("phash", sa.String(16), nullable=True),
        sa.Column("notes", JSON, nullable=False),
        sa.Column("exif", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_source_file_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_file")),
        sa.UniqueConstraint("file_sha256", name=op.f("uq_source_file_file_sha256")),
    )
    op.create_index(op.f("ix_source_file_source_id"), "source_file", ["source_id"])

    op.create_table(
        "image",
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
        sa.Column("master_sha256", sa.String(64), nullable=False),
        sa.Column("pixel_sha256", sa.String(64), nullable=False),
        sa.Column("thumbnail_sha256", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(30), nullable=False),
        sa.Column("stage_reason", sa.String(500), nullable=False),
        sa.Column("current_candidate_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_file_id"], ["source_file.id"], name=op.f("fk_image_source_file_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_image_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint(
            "source_file_id",
            "category",
            "box_x",
            "box_y",
            "box_width",
            "box_height",
            name=op.f("uq_image_source_file_id_category_box_x_box_y_box_width_box_height"),
        ),
    )
    op.create_index(op.f("ix_image_category_stage"), "image", ["category", "stage"])
    op.create_index(op.f("ix_image_pixel_sha256"), "image", ["pixel_sha256"])
    op.create_index(op.f("ix_image_source_id_category"), "image", ["source_id", "category"])
    op.create_index(op.f("ix_image_stage_id"), "image", ["stage", "id"])

    op.create_table(
        "phash_band",
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("value", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source_file_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["source_file_id"], ["source_file.id"], name=op.f("fk_phash_band_source_file_id")),
        sa.PrimaryKeyConstraint("band", "value", "source_file_id", name=op.f("pk_phash_band")),
    )
    op.create_table(
        "work_item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("queue", sa.String(10), nullable=False),
        sa.Column("shape", sa.String(80), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(2000), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_work_item_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_item")),
        sa.UniqueConstraint("run_id", "key", name=op.f("uq_work_item_run_id_key")),
    )
    op.create_index(op.f("ix_work_item_run_id_state_finished_at"), "work_item", ["run_id", "state", "finished_at"])
    op.create_index(op.f("ix_work_item_run_id_kind_state_seconds"), "work_item", ["run_id", "kind", "state", "seconds"])
    op.create_index(op.f("ix_work_item_state_lease_until"), "work_item", ["state", "lease_until"])
    op.create_index(op.f("ix_work_item_state_queue_priority_id"), "work_item", ["state", "queue", "priority", "id"])

    op.create_table(
        "candidate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("method_id", sa.Integer(), nullable=False),
        sa.Column("recipe_hash", sa.String(64), nullable=False),
        sa.Column("recipe", JSON, nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("pixel_sha256", sa.String(64), nullable=False),
        sa.Column("thumbnail_sha256", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_candidate_image_id")),
        sa.ForeignKeyConstraint(["method_id"], ["method.id"], name=op.f("fk_candidate_method_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["candidate.id"], name=op.f("fk_candidate_parent_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_candidate_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidate")),
        sa.UniqueConstraint(
            "image_id", "method_id", "recipe_hash", "sample", name=op.f("uq_candidate_image_id_method_id_recipe_hash_sample")
        ),
    )
    op.create_index(op.f("ix_candidate_method_id"), "candidate", ["method_id"])
    op.create_index(op.f("ix_candidate_pixel_sha256"), "candidate", ["pixel_sha256"])
    op.create_index(op.f("ix_candidate_run_id"), "candidate", ["run_id"])

    op.create_table(
        "review_lease",
        sa.Column("image_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_review_lease_image_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_review_lease_user_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_review_lease")),
    )
    op.create_index(op.f("ix_review_lease_expires_at"), "review_lease", ["expires_at"])
    op.create_index(op.f("ix_review_lease_user_id"), "review_lease", ["user_id"])

    op.create_table(
        "candidate_summary",
        sa.Column("candidate_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("method_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(30), nullable=False),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("filter_passed", sa.Boolean(), nullable=True),
        sa.Column("filter_reason", sa.String(500), nullable=False),
        sa.Column("decision", sa.String(10), nullable=True),
        sa.Column("rule_decision", sa.String(10), nullable=True),
        sa.Column("review", sa.String(10), nullable=True),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidate.id"], name=op.f("fk_candidate_summary_candidate_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_candidate_summary_image_id")),
        sa.ForeignKeyConstraint(["method_id"], ["method.id"], name=op.f("fk_candidate_summary_method_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_candidate_summary_source_id")),
        sa.PrimaryKeyConstraint("candidate_id", name=op.f("pk_candidate_summary")),
    )
    op.create_index(op.f("ix_candidate_summary_category_stage"), "candidate_summary", ["category", "stage"])
    op.create_index(op.f("ix_candidate_summary_image_id"), "candidate_summary", ["image_id"])
    op.create_index(op.f("ix_candidate_summary_attempt_stage_chosen"), "candidate_summary", ["attempt", "stage", "chosen"])
    op.create_index(op.f("ix_candidate_summary_method_id_image_id"), "candidate_summary", ["method_id", "image_id"])
    op.create_index(op.f("ix_candidate_summary_method_id_stage"), "candidate_summary", ["method_id", "stage"])
    op.create_index(op.f("ix_candidate_summary_stage_candidate_id"), "candidate_summary", ["stage", "candidate_id"])

    op.create_table(
        "review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("note", sa.String(2000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidate.id"], name=op.f("fk_review_candidate_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_review_image_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_review_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("key", name=op.f("uq_review_key")),
    )
    op.create_index(op.f("ix_review_candidate_id"), "review", ["candidate_id"])
    op.create_index(op.f("ix_review_image_id"), "review", ["image_id"])
    op.create_index(op.f("ix_review_user_id"), "review", ["user_id"])

    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("judge", sa.String(40), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("scores", JSON, nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("rule_decision", sa.String(10), nullable=False),
        sa.Column("raw", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidate.id"], name=op.f("fk_verdict_candidate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
        sa.UniqueConstraint("candidate_id", "judge", "version", name=op.f("uq_verdict_candidate_id_judge_version")),
    )
    op.create_table(
        "pair",
        sa.Column("image_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidate.id"], name=op.f("fk_pair_candidate_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_pair_image_id")),
        sa.ForeignKeyConstraint(["review_id"], ["review.id"], name=op.f("fk_pair_review_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_pair")),
    )


def downgrade() -> None:
    op.drop_table("pair")
    op.drop_table("verdict")
    op.drop_table("review")
    op.drop_table("candidate_summary")
    op.drop_table("review_lease")
    op.drop_table("candidate")
    op.drop_table("work_item")
    op.drop_table("phash_band")
    op.drop_table("image")
    op.drop_table("source_file")
    op.drop_table("sign_in")
    op.drop_table("run")
    op.drop_table("invitation")
    op.drop_table("event")
    op.drop_table("api_token")
    op.drop_table("user")
    op.drop_table("source")
    op.drop_table("score")
    op.drop_table("method")
