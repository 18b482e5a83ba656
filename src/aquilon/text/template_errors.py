"""Why a conversation isn't rendered. Importing them loads no template engine."""


class TemplateError(ValueError):
    """A template that is malformed, refuses these messages, or does not end; the message says which, and the line."""


class TemplateRefusal(TemplateError):
    """The template works, and refuses these messages."""


class NotBrief(Exception):
    """Rendering a conversation would take so long that other requests would have to wait."""
