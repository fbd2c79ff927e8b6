"""The page of a photograph's author, which licences and platforms want to be linked."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("source_file") as batch:
        batch.add_column(sa.Column("author_url", sa.String(1000), nullable=False, server_default=""))
    with op.batch_alter_table("source_file") as batch:
        batch.alter_column("author_url", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("source_file") as batch:
        batch.drop_column("author_url")
