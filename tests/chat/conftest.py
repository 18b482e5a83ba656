from __future__ import annotations

from tests.conversations.conftest import conversations, key, person

__all__ = ["conversations", "key", "person"]
