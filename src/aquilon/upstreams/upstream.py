"""Upstreams, the other servers that provide models: their settings, and the rules for them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

from aquilon.errors import Refusal

UpstreamKind = Literal["openai", "azure", "azure_ai", "mistral", "aquilon", "anthropic"]
"""The API that the server has.

``openai``: ``{base}/chat/completions`` with a bearer key: OpenAI, vLLM, llama.cpp and most others. ``azure``: Azure
OpenAI, where the path names a deployment. ``azure_ai``: Azure AI's ``/models`` path. Both send the key as ``api-key``
and ``?api-version=``. ``mistral``: Mistral's names for some fields. ``aquilon``: another Aquilon.
``anthropic``: ``{base}/v1/messages`` with the key as ``x-api-key``.
"""
UPSTREAM_KINDS: tuple[UpstreamKind, ...] = get_args(UpstreamKind)

Capability = Literal[
    "chat", "completions", "fim", "embeddings", "rerank", "function_calling", "vision", "reasoning", "moderation"
]
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

_OF_ANTHROPIC: frozenset[Capability] = frozenset({"chat", "function_calling", "vision", "reasoning"})

MAX_WEIGHT = 1000
MAX_MODELS = 1000
"""Of one upstream."""
MAX_FALLBACKS = 8

LOOP_HEADER, LOOP_NAME = "cdn-loop", "aquilon"
"""RFC 8586: the header holds the name once for each server of this program that passed the request on. Such a request
has no fall-backs, and few hops."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_RESERVED_HEADERS = frozenset(
    {"authorization", "api-key", "host", "content-length", "content-type", "transfer-encoding", "connection"}
    | {"accept", "accept-encoding", "upgrade", "te", "trailer", "expect", "proxy-authorization", LOOP_HEADER}
)
_API_VERSION = re.compile(r"[A-Za-z0-9.-]{1,50}")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds. ``first_token``: from the request to an answer's first piece; ``between``: between two pieces."""

    connect: float = 5.0
    first_token: float = 60.0
    between: float = 30.0
    total: float = 900.0

    def __post_init__(self) -> None:
        for name in ("connect", "first_token", "between", "total"):
            if not 0.05 <= getattr(self, name) <= 86_400:
                raise Refusal(
                    f"The time-out '{name}' is {getattr(self, name):g} seconds; it goes from 0.05 to a day",
                    code="timeout_out_of_range",
                )


@dataclass(frozen=True)
class ProvidedModel:
    """A model as one upstream provides it."""

    name: str
    """The model's name at this server."""
    remote: str
    """The name of the model, or of its deployment, at the upstream."""
    _: KW_ONLY
    max_context: int = 8192
    """Tokens that prompt and answer may have together."""
    capabilities: frozenset[Capability] = frozenset({"chat"})
    weight: int = 100
    """Its share of the model's requests among all upstreams that provide it; with 0 it is asked if the others fail."""

    def __post_init__(self) -> None:
        for field_name, name in (("name", self.name), ("remote name", self.remote)):
            if not 0 < len(name) <= 256 or not name.isprintable() or name != name.strip():
                raise Refusal(
                    f"A model's {field_name} has 1 to 256 printable characters, and no space around them: "
                    f"'{name[:256]}' doesn't",
                    code="model_name_invalid",
                    values={"most": 256},
                )
        if not 1 <= self.max_context <= 2**31:
            raise Refusal(
                f"The context of '{self.name}' is {self.max_context} tokens; it must be 1 or more",
                code="out_of_range",
                values={"field": "max_context", "value": self.max_context, "least": 1, "most": 2**31},
            )
        if not 0 <= self.weight <= MAX_WEIGHT:
            raise Refusal(
                f"The weight of '{self.name}' is {self.weight}; it goes from 0 to {MAX_WEIGHT}",
                code="out_of_range",
                values={"field": "weight", "value": self.weight, "least": 0, "most": MAX_WEIGHT},
            )
        if not self.capabilities or not self.capabilities <= set(CAPABILITIES):
            raise Refusal(
                f"'{self.name}' needs one or more of these capabilities: {', '.join(CAPABILITIES)}",
                code="capabilities_missing",
                values={"name": self.name},
            )


@dataclass(frozen=True, kw_only=True)
class Upstream:
    id: str
    name: str
    kind: UpstreamKind
    base_url: str
    """Without a slash at its end."""
    api_key: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request; their values may be secrets."""
    api_version: str | None = None
    """Azure's."""
    private: bool = False
    """Whether its host may be on this machine or in a private network."""
    timeouts: Timeouts = Timeouts()
    enabled: bool = True
    created_at: int = 0
    models: tuple[ProvidedModel, ...] = ()
    problem: str = ""
    """Why the upstream can't be used, if its secrets can't be opened."""

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def origin(self) -> str:
        """Scheme, host and port: the server that gets its secrets."""
        parts = urlsplit(self.base_url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{(parts.hostname or '').removesuffix('.')}:{port}"


def checked_base_url(url: str) -> str:
    """The URL without a slash at its end. Raises ValueError for a URL that can't be a base URL."""
    text = url.strip().rstrip("/")
    example = "write one such as https://api.example.com/v1"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Refusal(
            f"'{url[:200]}' is not a base URL: {example}", code="base_url_invalid", values={"value": url[:200]}
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(text) > 1000 or not text.isprintable():
        raise Refusal(
            f"'{url[:200]}' is not a base URL: {example}", code="base_url_invalid", values={"value": url[:200]}
        )
    if parts.username is not None or parts.password is not None:
        raise Refusal(
            "A base URL holds no user or password: give the secret as the upstream's key or in a header",
            code="base_url_with_password",
        )
    if parts.query or parts.fragment:
        raise Refusal(
            f"A base URL ends before '?' and '#': {example}; Azure's version is api_version", code="base_url_with_query"
        )
    if port == 0 or " " in text:
        raise Refusal(
            f"'{url[:200]}' is not a base URL: {example}", code="base_url_invalid", values={"value": url[:200]}
        )
    if is_forbidden_host(parts):
        raise Refusal(
            f"'{parts.hostname}' is no address of a server: {example}",
            code="base_url_invalid",
            values={"value": url[:200]},
        )
    return text


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """Raises ValueError for headers that can't be sent, or that the client sets itself."""
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _RESERVED_HEADERS:
            raise Refusal(
                f"'{name[:100]}' is not a header that can be added to requests",
                code="header_invalid",
                values={"name": name[:100]},
            )
        if len(value) > 4000 or not value.isascii() or not value.isprintable():
            raise Refusal(
                f"The value of the header '{name}' must be printable ASCII, up to 4000 characters",
                code="header_invalid",
                values={"name": name[:100]},
            )
    return headers


def checked_secret(secret: str) -> str:
    """Raises ValueError for a key that no header can carry."""
    if not 0 < len(secret) <= 4000 or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Refusal(
            "An upstream's key has 1 to 4000 printable ASCII characters without spaces", code="upstream_key_invalid"
        )
    return secret


def checked_api_version(kind: UpstreamKind, version: str | None) -> str | None:
    """Raises ValueError if Azure's version is missing, or another kind has one."""
    if kind not in ("azure", "azure_ai"):
        if version is not None:
            raise Refusal(
                f"An upstream of kind {kind} has no api_version: that is Azure's", code="api_version_needless"
            )
        return None
    if version is None or _API_VERSION.fullmatch(version) is None:
        raise Refusal(
            f"An upstream of kind {kind} needs an api_version, such as 2024-10-21", code="api_version_missing"
        )
    return version


def checked_models(kind: UpstreamKind, models: tuple[ProvidedModel, ...]) -> tuple[ProvidedModel, ...]:
    """Raises ValueError for a model with a capability for which this kind of upstream has no path."""
    for model in models:
        if kind == "anthropic" and (missing := model.capabilities - _OF_ANTHROPIC):
            raise Refusal(
                f"'{model.name}' can't have {', '.join(sorted(missing))}: an upstream of kind anthropic has "
                f"{', '.join(sorted(_OF_ANTHROPIC))}",
                code="capability_impossible",
                values={"name": model.name},
            )
    return models


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's wire server
            "192.0.0.192",  # Oracle, the older one
            "fd00:c1::a9fe:a9fe",  # Oracle
            "fd00:ec2::23",  # Amazon, of pods
            "fd00:ec2::254",  # Amazon
            "fd00:42::42",  # Scaleway
            "fd00:a9fe:a9fe::1",  # Akamai
            "fd20:ce::254",  # Google
        ),
    )
)
"""Addresses where clouds keep a machine's credentials; most clouds use link-local addresses."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def literal_address(host: str) -> Address | None:
    """The address in a URL's host, in any of the notations that resolvers read; None for a name."""
    text = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    parts = text.removesuffix(".").split(".")
    if not 0 < len(parts) <= 4 or not all(re.fullmatch(r"0x[0-9a-f]*|[0-9]+", part.lower()) for part in parts):
        return None
    numbers = []  # such as 127.1, 2130706433, 0x7f.1 and 0177.0.0.1, which the C library takes for loopback
    for part in map(str.lower, parts):
        octal = part.startswith("0") and len(part) > 1 and not part.startswith("0x")
        try:
            numbers.append(int(part[2:] or "0", 16) if part.startswith("0x") else int(part, 8 if octal else 10))
        except ValueError:
            return None
    *bytes_, last = numbers
    if any(byte > 255 for byte in bytes_) or last >= 256 ** (4 - len(bytes_)):
        return None
    return ipaddress.ip_address(sum(byte << (24 - 8 * place) for place, byte in enumerate(bytes_)) + last)


def innermost(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return inner
    return address


def is_private(address: Address) -> bool:
    """On this machine or in a private network."""
    return not innermost(address).is_global


def is_forbidden(address: Address) -> bool:
    """Whether no upstream may have the address, such as those where clouds keep a machine's credentials."""
    inner = innermost(address)
    if inner in _METADATA or inner.is_link_local or inner.is_multicast or inner.is_unspecified:
        return True
    if isinstance(inner, ipaddress.IPv4Address):
        return inner.is_reserved
    return inner.is_reserved and not inner.is_loopback and not inner.is_private


def is_forbidden_host(parts: SplitResult) -> bool:
    address = literal_address(parts.hostname or "")
    return address is not None and is_forbidden(address)
