"""The claims of verified tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Self

import jwt
import structlog
from jwt.types import Options
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from ..settings import Settings
from .keys import Keys
from .problems import InvalidToken
# {% if http_client != "none" %}
from .provider import ProviderKeys
# {% endif %}

MAX_TOKEN_LENGTH = 16 * 1024
"""A longer token is refused without decoding it."""

OPTIONS: Options = {
    "require": ["iss", "aud", "exp", "sub"],
    "enforce_minimum_key_length": True,
}

log = structlog.get_logger()


def split_names(value: object) -> object:
    """Accept ``a b``, ``["a", "b"]`` and null; providers differ."""
    if value is None:
        return ()
    return value.split() if isinstance(value, str) else value


Names = Annotated[frozenset[str], BeforeValidator(split_names)]


class Claims(BaseModel):
    """The claims that the service reads; add those of your provider that you need."""

    model_config = ConfigDict(frozen=True)

    sub: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    scope: Names = Field(default=frozenset(), validation_alias=AliasChoices("scope", "scp"))
    roles: Names = frozenset()


class TokenVerifier:
    """Verifies that a token is signed by the provider, is for this service, and has not expired."""

    # {% if http_client == "none" %}
    def __init__(self, settings: Settings, keys: Keys) -> None:
    # {% else %}
    def __init__(self, settings: Settings, keys: Keys | ProviderKeys) -> None:
    # {% endif %}
        self._settings = settings
        self._keys = keys

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        # {% if http_client == "none" %}
        """Read the keys from the settings."""
        yield cls(settings, Keys(settings.auth_keys, settings.auth_algorithms))
        # {% else %}
        """Take the keys from the settings, or else from the provider."""
        if settings.auth_keys is not None:
            yield cls(settings, Keys(settings.auth_keys, settings.auth_algorithms))
            return
        async with ProviderKeys.open(settings) as keys:
            yield cls(settings, keys)
        # {% endif %}

    # {% if telemetry != "none" and http_client != "none" %}
    @property
    def provider_failures(self) -> int:
        """How often the provider was asked for its keys and gave none."""
        return self._keys.failures if isinstance(self._keys, ProviderKeys) else 0

    # {% endif %}
    async def verify(self, token: str) -> Claims:
        """Return the claims of a valid token.

        Raises:
            InvalidToken: it is not valid; the log says why.
            # {% if http_client != "none" %}
            NoKeys: there are no keys yet to verify it.
            # {% endif %}
        """
        key = await self._keys.find(self._read_key_id(token))
        if key is None:
            raise _refused(reason="its key is unknown")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=self._settings.auth_algorithms,
                audience=self._settings.auth_audience,
                issuer=self._settings.auth_issuer,
                leeway=self._settings.auth_leeway,
                options=OPTIONS,
            )
            return Claims.model_validate(claims)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it proves nothing
            raise _refused(reason=type(error).__name__) from None

    def _read_key_id(self, token: str) -> str | None:
        """Return which of the keys the token names.

        Keys that it brings, or says where to find (``jwk``, ``jku``, ``x5u``), are never looked at.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise _refused(reason="it is too long")
        try:
            header = jwt.get_unverified_header(token)
        except Exception as error:  # noqa: BLE001 - as above
            raise _refused(reason=type(error).__name__) from None
        # A token that can never be valid must not make the service fetch keys.
        if header.get("alg") not in self._settings.auth_algorithms:
            raise _refused(reason="its algorithm is not accepted")
        key_id: str | None = header.get("kid")
        return key_id


def _refused(*, reason: str) -> InvalidToken:
    log.info("token refused", reason=reason)
    return InvalidToken()
