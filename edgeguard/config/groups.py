"""What differs for some VMs: groups of them, and single ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from edgeguard.config.fields import Prefix, Section
from edgeguard.config.limits import SomeLimits
from edgeguard.config.modes import Mode, modes


class Setting(Section):
    """What is said of a group's VMs or of one VM; where it is silent, the less specific speaks."""

    limits: SomeLimits = SomeLimits()
    enforce: Annotated[dict[str, Mode], BeforeValidator(modes)] = Field(default_factory=dict)

    def mode(self, rule: str, band: str) -> Mode | None:
        """What is said of one band of a rule: by its own name, the rule's, then by `all`. None: nothing."""
        for name in (f"{rule}.{band}", rule, *(() if rule == "scan" else (f"all.{band}", "all"))):
            if name in self.enforce:
                return self.enforce[name]
        return None


class Group(Setting):
    """A group, and whose VMs are in it."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    vms: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
