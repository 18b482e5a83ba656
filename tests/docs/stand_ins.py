"""What guides write of the world outside, and what stands there while the tests run them.

A guide for Azure names ``https://my-resource.openai.azure.com``; nothing of that name
is reached here. Add to ``STAND_INS`` the text as the guide writes it, and a context
manager that gives what to put in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.support.openid_provider import openid_provider

STAND_INS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "https://login.example.org": lambda: openid_provider("https://example.org/auth/oidc/corp/callback"),
}
