"""The category a photograph was collected for, which its patches and images share: counted and filtered without a join."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("source_file", sa.Column("category", sa.String(20), nullable=False, server_default=""))
    op.execute(
        """
        UPDATE source_file SET category = COALESCE(
          (SELECT category FROM patch WHERE patch.source_file_id = source_file.id LIMIT 1),
          (SELECT category FROM image WHERE image.source_file_id = source_file.id LIMIT 1), '')
        """
    )
    with op.batch_alter_table("source_file") as batch:
        batch.alter_column("category", server_default=None)
    op.create_index(op.f("ix_source_file_source_id_category"), "source_file", ["source_id", "category"])


def downgrade() -> None:
    op.drop_index(op.f("ix_source_file_source_id_category"), "source_file")
    with op.batch_alter_table("source_file") as batch:
        batch.drop_column("category")
