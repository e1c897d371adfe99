"""Error responses to requests that are not allowed; none says why a token is refused."""

from collections.abc import Iterable
from http import HTTPStatus

# {% if http_client == "none" %}
from ..web.problems import Problem
# {% else %}
from ..web.problems import Problem, Unavailable
# {% endif %}

CHALLENGE = 'Bearer realm="api"'


class NotAuthenticated(Problem):
    """There is no bearer token."""

    status = HTTPStatus.UNAUTHORIZED
    type = "not-authenticated"
    title = "A bearer token is needed"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": CHALLENGE})


class InvalidToken(Problem):
    """The token is not valid; the log has the reason."""

    status = HTTPStatus.UNAUTHORIZED
    type = "invalid-token"
    title = "The token is not valid"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})


class Forbidden(Problem):
    """The token is valid, but lacks a scope or a role; ``scopes`` names those that are needed."""

    status = HTTPStatus.FORBIDDEN
    type = "forbidden"
    title = "The token does not allow this"

    def __init__(self, scopes: Iterable[str] = ()) -> None:
        challenge = f'{CHALLENGE}, error="insufficient_scope"'
        if wanted := " ".join(scopes):
            challenge += f', scope="{wanted}"'
        super().__init__(headers={"WWW-Authenticate": challenge})
# {% if http_client != "none" %}


class NoKeys(Unavailable):
    """The keys of the provider were never fetched in this process, so no token can be verified."""

    type = "no-keys"
    title = "Tokens cannot be verified yet"
# {% endif %}
