"""The limits that scenarios are made for: those of the shipped defaults, with everything enforced."""

from __future__ import annotations

import functools

from edgeguard import config
from edgeguard.config import Config, Limits

ENFORCE = ["all.act", "all.hard"]  # so that a decision shows whether it would have acted


@functools.cache
def defaults() -> Config:
    """The defaults, with every rule enforced from act on."""
    return config.build({"enforce": ENFORCE, "host": {"name": "quality"}})


def limits(rule: str) -> Limits:
    """Of one VM without settings of its own, by the rule's name; of a customer's sum: 'customer.syn'."""
    if rule.startswith("customer."):
        found = getattr(defaults().limits.customer, rule.removeprefix("customer.")).limits()
        assert found is not None
        return found  # type: ignore[no-any-return]
    return defaults().limits.by_rule()[rule]
