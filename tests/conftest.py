"""Every test of this tree: Hypothesis measures no time, because machines are shared and some are slow."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A fixture of function scope is made once for all examples of a test; ours are written for that.
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

settings.register_profile("any", deadline=None, suppress_health_check=QUIET)
settings.register_profile("steady", settings.get_profile("any"), derandomize=True)  # .ci/run: the same examples always
settings.load_profile("any")
