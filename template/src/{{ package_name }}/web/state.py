"""Access to the resources that the lifespan has opened."""

from typing import Any

from starlette.requests import HTTPConnection

NOT_STARTED = (
    "the lifespan of this application has not run: start it by a server with its lifespan on, or,"
    " where it is mounted, yield what app.router.lifespan_context(app) yields in the outer lifespan"
)


def resource_of(connection: HTTPConnection, name: str) -> Any:  # noqa: ANN401 - the dependency of a resource says its type
    """Return a resource of ``lifespan.State``; raise RuntimeError if the lifespan has not run."""
    try:
        return connection.scope["state"][name]
    except KeyError:
        raise RuntimeError(NOT_STARTED) from None
