"""A service with one more route, ``/slow``, which holds a connection for 50 ms."""

import os
from importlib import import_module
from typing import Any

from fastapi import APIRouter
from sqlalchemy import text

PACKAGE = os.environ["PACKAGE"]
SECONDS = 0.05
SLEEP = {"postgresql": "pg_sleep", "mysql": "sleep", "mariadb": "sleep"}

main: Any = import_module(f"{PACKAGE}.main")
dependencies: Any = import_module(f"{PACKAGE}.database.dependencies")

router = APIRouter()
create_app = main.create_app


@router.get("/slow")
async def slow(session: dependencies.ReadSessionDep) -> None:
    await session.execute(text(f"SELECT {SLEEP[session.get_bind().dialect.name]}({SECONDS})"))


def create_app_with_slow_route(settings: Any) -> Any:
    app = create_app(settings)
    app.include_router(router)
    return app


if __name__ == "__main__":
    # The service makes its application itself, from the settings that it loads.
    main.create_app = create_app_with_slow_route
    import_module(f"{PACKAGE}.__main__").main()
