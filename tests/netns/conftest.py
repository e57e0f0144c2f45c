"""Every test of this folder needs network namespaces; without the right to make them it is skipped."""

from __future__ import annotations

import pytest
from namespaces import unavailable


@pytest.fixture(scope="session")
def _namespaces_missing() -> str | None:
    return unavailable()


@pytest.fixture(autouse=True)
def _needs_namespaces(_namespaces_missing: str | None) -> None:
    if _namespaces_missing:
        pytest.skip(_namespaces_missing)
