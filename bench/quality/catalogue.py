"""Every scenario, by its name."""

from __future__ import annotations

import functools
import importlib
import importlib.util

from bench.quality.scenario import Scenario

SOURCES = ("floods", "floods_forged", "floods_more", "floods_recorded", "hosts", "record.look_alikes")


@functools.cache
def catalogue() -> dict[str, Scenario]:
    """All of them, in the order of their files."""
    found: dict[str, Scenario] = {}
    for source in SOURCES:
        if importlib.util.find_spec(f"bench.quality.{source}") is None:
            continue
        for scenario in importlib.import_module(f"bench.quality.{source}").scenarios():
            if scenario.name in found:
                raise ValueError(f"two scenarios are called {scenario.name}")
            found[scenario.name] = scenario
    return found
