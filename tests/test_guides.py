"""The guides of a service do what they say: their code is put where they tell, and works."""

from pathlib import Path

import pytest

from tests.conftest import Render
from tests.helpers.owner import guided_code
from tests.helpers.process import PROVIDE, provider
from tests.helpers.service import Service, cache_folder, database_url

pytestmark = pytest.mark.slow

PACKAGE = "src/order_desk"
FILES = ("models", "schemas", "repository", "service", "endpoints")
PLACES = (
    *((f"{PACKAGE}/products/{name}.py", None) for name in FILES),
    (f"{PACKAGE}/main.py", "    app.include_router(orders.router, max_body_size=MAX_BODY_BYTES)\n"),
    ("tests/products/test_products.py", None),
    (f"{PACKAGE}/settings.py", '    log_level: LogLevel = "INFO"\n'),
    (f"{PACKAGE}/partner/client.py", None),
    (f"{PACKAGE}/lifespan.py", "from .health.readiness import Readiness\n"),
    (f"{PACKAGE}/lifespan.py", "    database: Database\n"),
    (f"{PACKAGE}/lifespan.py", "Database.open(settings))\n"),
    (f"{PACKAGE}/lifespan.py", "            database=database,\n"),
    (f"{PACKAGE}/web/tenant.py", None),
    (f"{PACKAGE}/main.py", "        Middleware(middleware.RequestLogMiddleware),\n"),
    (f"{PACKAGE}/web/json_data.py", None),
    (f"{PACKAGE}/products/repository.py", None),
    (f"{PACKAGE}/clock/endpoints.py", None),
    (f"{PACKAGE}/main.py", "    app.include_router(orders.router, max_body_size=MAX_BODY_BYTES)\n"),
)
"""Where each block of code belongs: a file of its own, or behind a line."""

IMPORTS = {
    "from .lifespan import State, open_state\n": "from .clock import endpoints as clock\n",
    "from .orders import endpoints as orders\n": "from .products import endpoints as products\n",
    "from .web.deadline import DeadlineMiddleware\n": "from .web.tenant import TenantMiddleware\n",
}
"""The lines that the guides name in their sentences, before and behind those of main.py."""

TESTS = """\
from order_desk.lifespan import State
from order_desk.products.models import Product
from order_desk.products.repository import ProductRepository


async def test_a_list_is_sorted_and_filtered(state: State) -> None:
    async with state["database"].write() as session:
        session.add_all(Product(name=name, price=price) for name, price in PRODUCTS)
    async with state["database"].read() as session:
        products = ProductRepository(session)
        every = await products.page(name=None, limit=2, cursor=None)
        rest = await products.page(name=None, limit=2, cursor=every.next_cursor)
        named = await products.page(name="Cup", limit=2, cursor=None)

    assert [product.price for product in (*every.items, *rest.items)] == [1, 2, 3]
    assert [product.price for product in named.items] == [1, 3]


PRODUCTS = (("Cup", 3), ("Jar", 2), ("Cup", 1))
"""


@pytest.fixture(params=["none", "oidc"])
def guided(render: Render, request: pytest.FixtureRequest) -> Service:
    """A service in which all guides were followed."""
    answers = {"project_name": "Order Desk", "database_driver": "asyncpg", "auth": request.param}
    folder = render(answers)
    for block, (path, behind) in zip(guided_code(folder), PLACES, strict=True):
        file = folder / path
        if behind is None:
            file.parent.mkdir(exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(block, "utf-8")
        else:
            insert(file, behind, block)
    for line, named in IMPORTS.items():
        assert f"`{named.strip()}`" in (folder / "docs/guides.md").read_text("utf-8")
        insert(folder / PACKAGE / "main.py", line, named)
    models = folder / PACKAGE / "models.py"
    insert(models, "from .orders.models import Order\n", "from .products.models import Product\n")
    insert(models, '__all__ = ["Order", ', '"Product", ')
    (folder / "tests/test_sorted_products.py").write_text(TESTS, "utf-8")
    return Service.rendered(folder, {"package_name": "order_desk", **answers})


def insert(file: Path, behind: str, text: str) -> None:
    """Put some lines behind a line, of which there is one."""
    content = file.read_text("utf-8")
    assert content.count(behind) == 1, behind
    file.write_text(content.replace(behind, behind + text), "utf-8")


def test_what_the_guides_add_is_clean_and_leaves_the_suite_green(
    guided: Service, worker_id: str
) -> None:
    environment = guided.environment()
    guided.run_module(environment, "ruff", "check", "--no-cache", "--fix", "--select=I", "src")
    guided.run_module(environment, "ruff", "check", "--no-cache", "src")
    guided.run_module(environment, "ruff", "format", "--check", "--no-cache", "src")
    guided.run_module(environment, "mypy", "--cache-dir", str(cache_folder() / f"mypy-{worker_id}"))
    with provider(guided, environment, PROVIDE) as (_, own):
        guided.run_module(environment, "scripts.revision", "products", DATABASE_URL=own)
    guided.run_module(environment, "ruff", "check", "--no-cache", f"{PACKAGE}/migrations")
    url = database_url("asyncpg")
    tests = (
        "tests/products",
        "tests/test_sorted_products.py",
        "tests/database/test_migrations.py",
        "tests/test_main.py",
        "tests/test_settings.py",
        "tests/test_lifespan.py",
        "tests/web",
        *(["tests/auth/test_routes.py"] if guided.answers["auth"] == "oidc" else []),
    )

    guided.run_module(
        environment,
        *("pytest", "-q", "-p", "no:cacheprovider", *tests),
        **({} if url is None else {"TEST_DATABASE_URL": url}),
    )
