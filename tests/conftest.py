"""Every test of this tree: Hypothesis measures no time, because machines are shared and some are slow."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# A fixture of function scope is made once for all examples of a test; ours are written for that.
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

settings.register_profile("any", deadline=None, suppress_health_check=QUIET)
settings.register_profile("steady", settings.get_profile("any"), derandomize=True)  # .ci/run: the same examples always
settings.load_profile("any")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed goes from its worker to the terminal as UTF-8, which hostile names of ours are not."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
