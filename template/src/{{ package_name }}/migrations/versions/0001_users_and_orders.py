"""Users and orders."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
# {% if database_driver == "asyncmy" %}
from sqlalchemy.dialects import mysql
# {% endif %}

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "users",
        # {% if postgresql %}
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        # {% elif database_driver == "asyncmy" %}
        sa.Column("id", sa.Uuid(native_uuid=False), nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        # {% else %}
        sa.Column("id", sa.Uuid(native_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        # {% endif %}
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        # {% if database_driver == "asyncmy" %}
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_table(
        "orders",
        # {% if postgresql %}
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        # {% elif database_driver == "asyncmy" %}
        sa.Column("id", sa.Uuid(native_uuid=False), nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("user_id", sa.Uuid(native_uuid=False), nullable=False),
        # {% else %}
        sa.Column("id", sa.Uuid(native_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("user_id", sa.Uuid(native_uuid=False), nullable=False),
        # {% endif %}
        sa.Column("item", sa.String(200), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_orders_user_id_users"), ondelete="CASCADE"
        ),
        # {% if database_driver == "asyncmy" %}
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # {% endif %}
    )
    op.create_index(op.f("ix_orders_user_id_id"), "orders", ["user_id", "id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("orders")
    op.drop_table("users")
