from tests.upstream.conftest import (  # noqa: F401 - fixtures, which tests here use as well
    connect,
    connected,
    elsewhere,
    upstream,
)
