"""Every setting, from the environment or a TOML file. An unknown key is an error, not a silent default.

Order of precedence: environment, then the file named by `RAG_CONFIG` (or `citebox.toml` in the working
directory), then the defaults below.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from rag.documents import EVERYONE
from rag.errors import SettingsError
from rag.origins import checked_origin

PREFIX = "RAG_"
SECRET_BYTES = 32
"""As long as the hash it keys: https://www.rfc-editor.org/rfc/rfc7518#section-3.2"""


def _data_dir() -> Path:
    return Path(platformdirs.user_data_dir("citebox"))


def _models_dir() -> Path:
    return Path(platformdirs.user_cache_dir("citebox")) / "models"


class Settings(BaseSettings):
    """All settings with their defaults; each field is the environment variable `RAG_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    # Where things are kept
    data_dir: Path = Field(default_factory=_data_dir, description="Everything the embedded default stores.")
    files_url: str | None = Field(
        default=None,
        description="fsspec URL of the stored originals and texts, such as `s3://bucket/citebox`; "
        "a folder in the data directory when unset.",
    )
    models_dir: Path = Field(default_factory=_models_dir, description="Cache of the built-in models.")
    qdrant_url: str | None = Field(
        default=None, description="URL of a Qdrant server; the embedded engine is used when unset."
    )
    qdrant_api_key: SecretStr | None = Field(default=None, description="API key of that server.")
    index: str = Field(
        default="citebox",
        pattern=r"^[a-z][a-z0-9_]{0,40}$",
        description="Prefix of the Qdrant collection names.",
    )

    # The service
    host: str = Field(default="127.0.0.1", description="Address the service listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the service listens on.")
    admin_key: SecretStr | None = Field(
        default=None,
        description="Bearer key for adding and removing documents over HTTP; needed for that "
        "when the service listens beyond this machine.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Host names that requests may be sent to, comma-separated; this machine's own names "
        "when the service listens on it alone, else any when unset.",
    )
    reader_groups: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(EVERYONE,),
        description="Access groups of everyone who asks through this process, comma-separated.",
    )
    downloads: bool = Field(default=True, description="Readers may download the originals.")

    # Local models
    embedding_model: str = Field(
        default="bge-small-en-v1.5",
        description="Built-in name, folder, or any sentence-transformers model of a hub.",
    )
    reranker_model: str = Field(
        default="ms-marco-MiniLM-L-12-v2",
        description="Built-in name, folder, or any CrossEncoder model of a hub.",
    )
    embedding_batch: int = Field(default=32, ge=1, le=1024, description="Chunks per embedding batch.")

    bfloat16: bool = Field(
        default=True,
        description="Models of torch embed in bfloat16 where the processor has it and vectors stay the same.",
    )

    # Ingest
    max_file_mb: int = Field(default=200, ge=1, description="Files larger than this are refused (MB).")
    ocr_max_pages: int = Field(
        default=1000,
        ge=0,
        description="Scanned pages of a PDF that OCR reads at most, at seconds each; further ones have no "
        "text. 0: OCR is off.",
    )
    chunk_tokens: int = Field(
        default=160,
        ge=32,
        le=4096,
        description="Longest chunk, in tokens of the embedding model; of source code, twice that.",
    )

    # Retrieval: every stage can be switched off
    dense: bool = Field(default=True, description="Search by meaning (embeddings).")
    sparse: bool = Field(default=True, description="Search by words (BM25).")
    rerank: bool = Field(default=True, description="Rerank the best candidates by the cross-encoder.")
    neighbours: bool = Field(default=True, description="Join each passage with its neighbour chunks.")
    candidates: int = Field(default=50, ge=1, le=1000, description="Chunks taken from each search.")
    rerank_candidates: int = Field(
        default=8, ge=1, le=200, description="Most chunks the reranker scores; clear cases need fewer."
    )
    rerank_budget_ms: float | None = Field(
        default=None, gt=0, description="Milliseconds after which reranking stops where it is."
    )
    context_chunks: int = Field(default=8, ge=1, le=50, description="Passages an answer may rest on.")

    # Answers
    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("anthropic_api_key", "ANTHROPIC_API_KEY"),
        description="Key of the Claude API; without it answers are extractive.",
    )
    anthropic_base_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("anthropic_base_url", "ANTHROPIC_BASE_URL"),
        description="Another server of the Claude Messages protocol.",
    )
    fast_model: str = Field(default="claude-haiku-5-5", description="Model for lookups.")
    thorough_model: str = Field(
        default="claude-sonnet-5-5", description="Model for whole documents and synthesis."
    )
    answer_max_tokens: int = Field(default=1024, ge=64, le=64000, description="Longest fast answer.")
    synthesis_max_tokens: int = Field(
        default=16_000, ge=256, le=64000, description="Longest synthesis, the model's thinking included."
    )
    synthesis_input_tokens: int = Field(
        default=200_000, ge=1000, le=900_000, description="Most document text one synthesis may read."
    )
    claude_timeout: float = Field(
        default=60.0, gt=0, description="Seconds of silence after which a Claude request is given up."
    )
    answer_deadline: float = Field(
        default=30.0, gt=0, description="Seconds that a fast answer may take, retries included."
    )
    synthesis_deadline: float = Field(
        default=300.0, gt=0, description="Seconds that a synthesis or a review may take, retries included."
    )
    prompt_cache: Literal["5m", "1h", "off"] = Field(
        default="5m", description="How long Claude keeps the stable part of a prompt."
    )
    map_part_tokens: int = Field(
        default=60_000,
        ge=2000,
        le=95_000,
        description="Size of the parts that the fast model reads.",
    )
    map_parallel: int = Field(default=4, ge=1, le=32, description="Parts read at the same time.")
    review_model: str = Field(
        default="claude-sonnet-5-5", description="Model of the review pass that `review` asks for."
    )
    prices_file: Path | None = Field(
        default=None, description="TOML file that replaces the built-in table of model prices."
    )

    # Knowing when not to answer, and asking back
    abstain: bool = Field(
        default=True, description="Do not ask a model where the passages do not hold the answer."
    )
    escalate_tokens: int = Field(
        default=40_000,
        ge=0,
        description="Longest document that a doubtful lookup lets the thorough model read.",
    )
    clarify: bool = Field(default=True, description="Ask back when a question does not say what it is about.")
    strict: bool = Field(default=False, description="Remove sentences that their citations do not support.")

    # Conversations
    conversation_tokens: int = Field(
        default=4000, ge=200, description="Most tokens of earlier turns that a request carries."
    )
    conversation_hours: float = Field(
        default=24.0, gt=0, description="Hours after its last turn for which a conversation is kept."
    )

    # What readers asked
    question_log_days: float = Field(
        default=30.0,
        ge=0,
        description="Days for which questions and thumbs are kept for the operator; 0: none are.",
    )

    # What may be spent
    max_usd_per_request: float | None = Field(
        default=None, ge=0, description="Most dollars that one answer may cost."
    )
    max_questions: int = Field(
        default=16,
        ge=1,
        description="Questions whose passages may be sought at once; where keys, tokens or origins are set, "
        "one caller may have half of the places.",
    )
    max_usd_per_day: float | None = Field(
        default=None, ge=0, description="Most dollars one caller may spend in a day (UTC)."
    )
    over_budget: Literal["cheaper", "refuse"] = Field(
        default="cheaper",
        description="What a question over budget gets: the cheaper route or a refusal.",
    )
    keys_file: Path | None = Field(
        default=None,
        description="TOML file of the API keys: name, hash, groups, daily budget; and of users to refuse.",
    )
    require_key: bool = Field(
        default=False, description="Refuse requests that bring neither an API key nor a token."
    )

    # Whose users and pages may ask
    token_secret: SecretStr | None = Field(
        default=None,
        description="Secret that signed tokens (JWT, HS256) are checked with, 32 bytes or more; "
        "shared with the host that signs them.",
    )
    token_public_key: Path | None = Field(
        default=None,
        description="PEM file of the public key that signed tokens are checked with instead: "
        "RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).",
    )
    token_max_minutes: int = Field(
        default=60, ge=1, le=1440, description="Minutes ahead at which a token may expire at most."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Exact origins whose pages may ask, comma-separated, such as `https://docs.example.com`.",
    )
    origin_questions_per_minute: int = Field(
        default=60,
        ge=1,
        description="Questions a minute from one allowed origin's readers without a key or token, and ten "
        "times as many searches and other requests.",
    )

    # Answer cache
    cache_answers: int = Field(default=500, ge=0, description="Answers kept for equal questions; 0: none.")
    cache_similarity: float = Field(
        default=1.0,
        ge=0.9,
        le=1.0,
        description="Cosine from which two questions count as equal; at 1, only when they are word for word.",
    )

    @field_validator("reader_groups", "allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(checked_origin(each) for each in value))

    @field_validator("admin_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().strip():
            # A request without a key would bring the right one.
            raise ValueError("is empty: make one with `openssl rand -hex 32`, or leave it out")
        return value

    @field_validator("token_secret")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if "-----BEGIN" in value.get_secret_value():
            raise ValueError("is a key in PEM: name its file in RAG_TOKEN_PUBLIC_KEY")
        if len(value.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"is shorter than {SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
        return value

    @model_validator(mode="after")
    def _one_way_of_tokens(self) -> Settings:
        if self.token_secret is not None and self.token_public_key is not None:
            raise ValueError("RAG_TOKEN_SECRET and RAG_TOKEN_PUBLIC_KEY are both set: unset one")
        return self

    @field_validator("qdrant_url", "anthropic_base_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"is not a URL: {value!r} (did you mean http://{value.split('://')[-1]}?)")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _searches_somehow(self) -> Settings:
        if not self.dense and not self.sparse:
            raise ValueError("RAG_DENSE and RAG_SPARSE cannot both be off: nothing would be searched")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)

    @property
    def claude_configured(self) -> bool:
        """A key, or a server of the protocol that may need none."""
        return self.anthropic_api_key is not None or self.anthropic_base_url is not None

    @property
    def tells_readers_apart(self) -> bool:
        """Whether anything says who asks: keys, tokens, or the pages of other origins."""
        return bool(self.keys_file or self.takes_tokens or self.allowed_origins or self.require_key)

    @property
    def takes_tokens(self) -> bool:
        return self.token_secret is not None or self.token_public_key is not None

    @property
    def tells_callers_apart(self) -> bool:
        """Whether there is more than one name that questions can come under."""
        return self.keys_file is not None or self.takes_tokens or bool(self.allowed_origins)


def variable_of(field: str) -> str:
    """The environment variable that sets `field`."""
    return field.upper() if field.startswith("anthropic_") else PREFIX + field.upper()


def load_settings() -> Settings:
    """Read the settings once, at the door of a process.

    Raises:
        SettingsError: a key is unknown or a value malformed; the message names the variable and the remedy.
    """
    known = {variable_of(name) for name in Settings.model_fields} | {"RAG_CONFIG"}
    for key in os.environ:
        if key.startswith(PREFIX) and key not in known:
            raise SettingsError(f"{key} is not a setting of Citebox", remedy=_nearest(key, known))
    try:
        return Settings(**_file_values())
    except ValidationError as error:
        raise SettingsError(_explain(error), remedy="see the table of settings in README.md") from None


def _file_values() -> dict[str, Any]:
    named = os.environ.get("RAG_CONFIG")
    path = Path(named) if named else Path("citebox.toml")
    if not path.is_file():
        if named:
            raise SettingsError(
                f"RAG_CONFIG names no file: {named}",
                remedy="name a TOML file that is there, or unset RAG_CONFIG",
            )
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    fields = set(Settings.model_fields)
    for key in values:
        if key not in fields:
            raise SettingsError(f"{path}: {key} is not a setting of Citebox", remedy=_nearest(key, fields))
    return values


def _nearest(key: str, known: set[str]) -> str:
    # Without the prefix, which would make all of them look alike.
    plain = {name.removeprefix(PREFIX): name for name in known}
    close = difflib.get_close_matches(key.removeprefix(PREFIX), sorted(plain), n=1)
    return f"did you mean {plain[close[0]]}?" if close else "remove it; README.md lists the settings"


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(message)
            continue
        field = str(problem["loc"][0]).lower()
        name = variable_of(field)
        if message.startswith(("is ", "takes ", "names ")):
            lines.append(f"{name} {message}")
        else:
            # A secret is never shown, not even a malformed one.
            given = "" if field.endswith(("key", "secret")) else f" {str(problem['input'])[:60]!r}"
            lines.append(f"{name}{given}: {message}")
    return "; ".join(lines)
