"""Signed tokens (JWT): a host's own sign-on tells who asks, in a token that ends within the hour.

The algorithm is that of the key in the settings and never the token's choice: so `none`, or an HS256 token
made with the text of a public key, is nothing but a wrong signature. Who has the signing key is trusted with
the groups; what a token may spend is bounded by the settings all the same.

Best current practices: https://www.rfc-editor.org/rfc/rfc8725
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rag.errors import InvalidRequest, SettingsError, TokenExpired, TokenInvalid
from rag.settings import Settings

AUDIENCE = "citebox"
LEEWAY_SECONDS = 30
"""What the clocks of host and service may differ by, where a token begins."""
LONGEST = 8192
"""Characters; more is no token but an attempt to make us work."""
RSA_BITS = 2048
NEW_ONE = "get a new one from the token endpoint"

VerifyingKey = str | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


def _is_plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("has characters that cannot be seen")
    return value


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_is_plain)]
Group = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_is_plain)]


class _Claims(BaseModel):
    """What we read of a token; claims of others, such as `iss`, may be in it and mean nothing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    sub: Name
    exp: float = Field(allow_inf_nan=False, gt=0, lt=1e11)
    groups: list[Group] | None = Field(default=None, max_length=200)
    max_usd_per_day: float | None = Field(default=None, ge=0, allow_inf_nan=False)


WANTED = {
    "sub": "`sub` is not a name of 1 to 64 characters",
    "exp": "`exp` is not a time in seconds",
    "groups": "`groups` is not a list of names",
    "max_usd_per_day": "`max_usd_per_day` is not an amount of dollars",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was found good; `groups` is None where it names none."""

    sub: str
    groups: frozenset[str] | None
    expires: datetime
    max_usd_per_day: float | None


class Tokens:
    """Tells what a token says, once it is clear that the host has signed it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """
        Raises:
            SettingsError: the public key cannot be read, or is none that is taken.
        """
        self._clock = clock
        self._most = settings.token_max_minutes * 60
        self._key: VerifyingKey | None = None
        self.algorithm = ""
        if settings.token_secret is not None:
            self._key, self.algorithm = settings.token_secret.get_secret_value(), "HS256"
        elif settings.token_public_key is not None:
            self._key, self.algorithm = _public_key(settings.token_public_key)

    def read(self, given: str) -> Token:
        """What the token says.

        Raises:
            TokenExpired: it was good, and its time is over.
            TokenInvalid: anything else is wrong with it.
        """
        if self._key is None:
            raise TokenInvalid(
                "this service takes no signed tokens", remedy="set RAG_TOKEN_SECRET or RAG_TOKEN_PUBLIC_KEY"
            )
        if len(given) > LONGEST:
            raise TokenInvalid(f"the token is longer than {LONGEST} characters")
        claims = _claims(self._decoded(given, self._key))
        now = self._clock()
        if claims.exp <= now:
            raise TokenExpired("the token has expired", remedy=NEW_ONE)
        if claims.exp > now + self._most + LEEWAY_SECONDS:
            raise TokenInvalid(f"the token expires later than {self._most // 60} min ahead")
        groups = None if claims.groups is None else frozenset(claims.groups)
        expires = datetime.fromtimestamp(int(claims.exp), UTC)
        return Token(claims.sub, groups, expires, claims.max_usd_per_day)

    def _decoded(self, given: str, key: VerifyingKey) -> dict[str, Any]:
        try:
            return jwt.decode(
                given,
                key,
                algorithms=[self.algorithm],
                audience=AUDIENCE,
                leeway=LEEWAY_SECONDS,
                # `exp` is checked by us, to the second and in both directions.
                options={"require": ["exp", "aud", "sub"], "strict_aud": True, "verify_exp": False},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError):
            raise TokenInvalid("the token is signed with another key or by another algorithm") from None
        except jwt.InvalidAudienceError:
            raise TokenInvalid(f"the audience of the token is not {AUDIENCE}") from None
        except jwt.MissingRequiredClaimError as error:
            raise TokenInvalid(f"the token has no `{error.claim}`") from None
        except jwt.ImmatureSignatureError:
            raise TokenInvalid("the token is not valid yet", remedy="compare the clocks") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenInvalid("the token is malformed") from None


def sign(settings: Settings, sub: str, groups: list[str] | None, minutes: int) -> str:
    """A token for trying, as a host's token endpoint makes them.

    Raises:
        SettingsError: there is no secret to sign with.
        InvalidRequest: the service would not take such a token.
    """
    if settings.token_secret is None:
        raise SettingsError(
            "there is no secret to sign a token with",
            remedy="set RAG_TOKEN_SECRET; with RAG_TOKEN_PUBLIC_KEY only the host can sign",
        )
    claims: dict[str, Any] = {"sub": sub, "aud": AUDIENCE, "exp": int(time.time()) + minutes * 60}
    if groups:
        claims["groups"] = groups
    made = jwt.encode(claims, settings.token_secret.get_secret_value(), "HS256")
    try:
        Tokens(settings).read(made)
    except TokenInvalid as error:
        raise InvalidRequest(error.detail, remedy=error.remedy) from None
    return made


def _claims(decoded: dict[str, Any]) -> _Claims:
    try:
        return _Claims.model_validate(decoded)
    except ValidationError as error:
        raise TokenInvalid(f"in the token, {WANTED[str(error.errors()[0]['loc'][0])]}") from None


def _public_key(path: Path) -> tuple[VerifyingKey, str]:
    remedy = "name the PEM file of an RSA, P-256 or Ed25519 public key: openssl pkey -in private.pem -pubout"
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"RAG_TOKEN_PUBLIC_KEY cannot be read: {error.strerror}", remedy=remedy) from None
    if b"PRIVATE KEY" in pem:
        raise SettingsError("RAG_TOKEN_PUBLIC_KEY holds a private key", remedy=remedy)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError("RAG_TOKEN_PUBLIC_KEY is not a public key in PEM", remedy=remedy) from None
    match key:
        case RSAPublicKey() if key.key_size >= RSA_BITS:
            return key, "RS256"
        case RSAPublicKey():
            raise SettingsError(
                f"the RSA key of RAG_TOKEN_PUBLIC_KEY has {key.key_size} bits",
                remedy=f"make one of {RSA_BITS}",
            )
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return key, "ES256"
        case Ed25519PublicKey():
            return key, "EdDSA"
    raise SettingsError("RAG_TOKEN_PUBLIC_KEY is of a kind that is not taken", remedy=remedy)
