"""Rate limits, slots, and leases for several API processes."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
