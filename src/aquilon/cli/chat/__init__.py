"""``aquilon chat``: a conversation in the terminal, with the server of this home or any OpenAI-compatible one."""

from aquilon.cli.chat.command import chat

__all__ = ["chat"]
