"""The chain of dependencies: token, claims, current user, and required scopes or roles.

Each depends on the one before. A route, a router or the application uses the one that it needs, and
a test replaces any of them in ``app.dependency_overrides``.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.requests import HTTPConnection
from structlog.contextvars import bind_contextvars

from ..web.state import resource_of
from .problems import Forbidden, InvalidToken, NotAuthenticated
from .tokens import Claims, TokenVerifier

bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="A token of the OpenID Connect provider, for the audience of this service.",
    auto_error=False,
)


@dataclass(frozen=True)
class CurrentUser:
    """Who sends the request: a person, or another service."""

    subject: str
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


async def get_token_verifier(connection: HTTPConnection) -> TokenVerifier:
    verifier: TokenVerifier = resource_of(connection, "tokens")
    return verifier


async def get_token(
    connection: HTTPConnection,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> str:
    """Return the bearer token of the request."""
    if len(connection.headers.getlist("Authorization")) > 1:
        # A proxy in front of this service may have checked another one.
        raise InvalidToken
    if credentials is None:
        raise NotAuthenticated
    return credentials.credentials


async def get_claims(
    token: Annotated[str, Depends(get_token)],
    verifier: Annotated[TokenVerifier, Depends(get_token_verifier)],
) -> Claims:
    """Verify the token, return its claims, and add its subject to all later log lines."""
    claims = await verifier.verify(token)
    bind_contextvars(subject=claims.sub)
    return claims


async def get_current_user(claims: Annotated[Claims, Depends(get_claims)]) -> CurrentUser:
    """Make the user from the claims; change this for the claims of your provider."""
    return CurrentUser(claims.sub, claims.scope, claims.roles)


CurrentUserDep = Annotated[CurrentUser, Depends(get_current_user)]


async def check_scopes(required: SecurityScopes, user: CurrentUserDep) -> CurrentUser:
    """Refuse a user whose token lacks one of the scopes."""
    if not user.scopes.issuperset(required.scopes):
        raise Forbidden(required.scopes)
    return user


def needs_scope(*names: str) -> Any:  # noqa: ANN401 - as that of Security, which it is
    """Require scopes, all of them.

    It stands in ``dependencies`` of a route, a router or the application, or beside a type:
    ``user: Annotated[CurrentUser, needs_scope("invoices:write")]``.
    """
    return Security(check_scopes, scopes=names)


def needs_role(*names: str) -> Any:  # noqa: ANN401 - as that of Depends, which it is
    """Require one of the roles, in the same places."""

    async def check_roles(user: CurrentUserDep) -> CurrentUser:
        if user.roles.isdisjoint(names):
            raise Forbidden
        return user

    return Depends(check_roles)


async def allow_everybody() -> None:
    """Mark a route that needs no token, so that no route is public by mistake."""


PUBLIC = Depends(allow_everybody)
