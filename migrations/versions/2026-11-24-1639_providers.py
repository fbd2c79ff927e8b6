"""Providers: paid calls, budgets, batches, prompt versions, written prompts, refusals, filter settings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_account",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("images_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=True),
        sa.Column("daily_budget_micros", sa.BigInteger(), nullable=True),
        sa.Column("total_budget_micros", sa.BigInteger(), nullable=True),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("spent_today_micros", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.String(500), nullable=False),
        sa.Column("on_lost", sa.String(10), nullable=False),
        sa.Column("prices", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_account")),
    )
    op.create_table(
        "filter_setting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("min_improvement", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("min_passing", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_filter_setting_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_setting")),
    )
    with op.batch_alter_table("filter_setting", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_filter_setting_category"), ["category"], unique=False)

    op.create_table(
        "prompt_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("source", sa.String(300), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_prompt_version_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_version")),
        sa.UniqueConstraint("kind", "category", "version", name=op.f("uq_prompt_version_kind_category_version")),
    )
    op.create_table(
        "batch_job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("model", sa.String(80), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("remote_id", sa.String(200), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(1000), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_batch_job_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_job")),
        sa.UniqueConstraint("name", name=op.f("uq_batch_job_name")),
    )
    with op.batch_alter_table("batch_job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_job_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_batch_job_state"), ["state"], unique=False)

    op.create_table(
        "api_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("model", sa.String(80), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("request_key", sa.String(200), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("batch_job_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("remote_id", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(80), nullable=False),
        sa.Column("error", sa.String(1000), nullable=False),
        sa.Column("answer_sha256", sa.String(64), nullable=False),
        sa.Column("answer_text", sa.String(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["batch_job_id"], ["batch_job.id"], name=op.f("fk_api_call_batch_job_id")),
        sa.ForeignKeyConstraint(["item_id"], ["work_item.id"], name=op.f("fk_api_call_item_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_api_call_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_call")),
    )
    with op.batch_alter_table("api_call", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_call_batch_job_id"), ["batch_job_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_call_item_id"), ["item_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_call_provider_sent_at"), ["provider", "sent_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_call_request_key_state"), ["request_key", "state"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_call_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_call_state_provider"), ["state", "provider"], unique=False)
        batch_op.create_index(
            "uq_api_call_under_way",
            ["request_key"],
            unique=True,
            sqlite_where=sa.text("state = 'sent'"),
            postgresql_where=sa.text("state = 'sent'"),
        )

    op.create_table(
        "refusal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("method_id", sa.Integer(), nullable=False),
        sa.Column("recipe_hash", sa.String(64), nullable=False),
        sa.Column("recipe", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(80), nullable=False),
        sa.Column("message", sa.String(1000), nullable=False),
        sa.Column("raw_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_refusal_image_id")),
        sa.ForeignKeyConstraint(["method_id"], ["method.id"], name=op.f("fk_refusal_method_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_refusal_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
        sa.UniqueConstraint(
            "image_id", "method_id", "recipe_hash", "sample", name=op.f("uq_refusal_image_id_method_id_recipe_hash_sample")
        ),
    )
    with op.batch_alter_table("refusal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refusal_method_id"), ["method_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_refusal_run_id"), ["run_id"], unique=False)

    op.create_table(
        "written_prompt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("vlm", sa.String(20), nullable=False),
        sa.Column("meta_version", sa.Integer(), nullable=False),
        sa.Column("stand_in", sa.Boolean(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("call_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["user.id"], name=op.f("fk_written_prompt_author_id")),
        sa.ForeignKeyConstraint(["call_id"], ["api_call.id"], name=op.f("fk_written_prompt_call_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_written_prompt_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_written_prompt")),
        sa.UniqueConstraint(
            "image_id",
            "vlm",
            "meta_version",
            "stand_in",
            "edition",
            name=op.f("uq_written_prompt_image_id_vlm_meta_version_stand_in_edition"),
        ),
    )
    with op.batch_alter_table("candidate", schema=None) as batch_op:
        batch_op.add_column(sa.Column("raw_sha256", sa.String(64), nullable=False, server_default=""))
        batch_op.add_column(
            sa.Column(
                "checks", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False, server_default="{}"
            )
        )

    with op.batch_alter_table("method", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stand_in", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.drop_constraint(batch_op.f("uq_method_generator_strategy"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_method_generator_strategy_stand_in"), ["generator", "strategy", "stand_in"]
        )

    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unknown", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("spent_micros", sa.BigInteger(), nullable=False, server_default="0"))

    with op.batch_alter_table("verdict", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stand_in", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.drop_constraint(batch_op.f("uq_verdict_candidate_id_judge_version"), type_="unique")
        batch_op.create_index(
            batch_op.f("ix_verdict_judge_stand_in_candidate_id"), ["judge", "stand_in", "candidate_id"], unique=False
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_verdict_candidate_id_judge_version_stand_in"), ["candidate_id", "judge", "version", "stand_in"]
        )

    with op.batch_alter_table("work_item", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lane", sa.String(20), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("work_item", schema=None) as batch_op:
        batch_op.drop_column("ready_at")
        batch_op.drop_column("lane")

    with op.batch_alter_table("verdict", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_verdict_candidate_id_judge_version_stand_in"), type_="unique")
        batch_op.drop_index(batch_op.f("ix_verdict_judge_stand_in_candidate_id"))
        batch_op.create_unique_constraint(
            batch_op.f("uq_verdict_candidate_id_judge_version"), ["candidate_id", "judge", "version"]
        )
        batch_op.drop_column("stand_in")

    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_column("spent_micros")
        batch_op.drop_column("unknown")

    with op.batch_alter_table("method", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_method_generator_strategy_stand_in"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_method_generator_strategy"), ["generator", "strategy"])
        batch_op.drop_column("stand_in")

    with op.batch_alter_table("candidate", schema=None) as batch_op:
        batch_op.drop_column("checks")
        batch_op.drop_column("raw_sha256")

    op.drop_table("written_prompt")
    with op.batch_alter_table("refusal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_refusal_run_id"))
        batch_op.drop_index(batch_op.f("ix_refusal_method_id"))

    op.drop_table("refusal")
    with op.batch_alter_table("api_call", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_api_call_under_way", sqlite_where=sa.text("state = 'sent'"), postgresql_where=sa.text("state = 'sent'")
        )
        batch_op.drop_index(batch_op.f("ix_api_call_state_provider"))
        batch_op.drop_index(batch_op.f("ix_api_call_run_id"))
        batch_op.drop_index(batch_op.f("ix_api_call_request_key_state"))
        batch_op.drop_index(batch_op.f("ix_api_call_provider_sent_at"))
        batch_op.drop_index(batch_op.f("ix_api_call_item_id"))
        batch_op.drop_index(batch_op.f("ix_api_call_batch_job_id"))

    op.drop_table("api_call")
    with op.batch_alter_table("batch_job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_job_state"))
        batch_op.drop_index(batch_op.f("ix_batch_job_run_id"))

    op.drop_table("batch_job")
    op.drop_table("prompt_version")
    with op.batch_alter_table("filter_setting", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_filter_setting_category"))

    op.drop_table("filter_setting")
    op.drop_table("provider_account")
