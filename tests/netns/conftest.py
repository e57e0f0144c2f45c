"""Every test of this folder needs network namespaces; without the right to make them it is skipped.

Here are also the hosts that tests of null routes share.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from enforcement_host import EVERY_KIND, Host
from namespaces import unavailable


@pytest.fixture(scope="session")
def _namespaces_missing() -> str | None:
    return unavailable()


@pytest.fixture(autouse=True)
def _needs_namespaces(_namespaces_missing: str | None) -> None:
    if _namespaces_missing:
        pytest.skip(_namespaces_missing)


@pytest.fixture(params=EVERY_KIND)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        host.start()
        yield host


@pytest.fixture
def bridged() -> Iterator[Host]:
    with Host("bridged") as host:
        host.start()
        yield host


@pytest.fixture
def routed() -> Iterator[Host]:
    with Host("routed") as host:
        host.start()
        yield host
