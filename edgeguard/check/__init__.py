"""Everything a run needs, looked at without changing anything; all findings at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeguard import config
from edgeguard.cases.case import host_digits
from edgeguard.check.attachment import attachment
from edgeguard.check.finding import Finding, Grade, ok, warning, wrong
from edgeguard.check.groups import enforcing, groups
from edgeguard.check.hooks import fleet, hooks, roster
from edgeguard.check.mailserver import mail
from edgeguard.check.places import places
from edgeguard.check.rights import back_ends, rights
from edgeguard.check.standing import standing
from edgeguard.check.table import table
from edgeguard.check.texts import texts
from edgeguard.config import Config
from edgeguard.errors import ConfigError
from edgeguard.handing import host
from edgeguard.inventory import Index, Inventory, configured

__all__ = ["Finding", "Grade", "exit_code", "findings"]

CONFIGURED = ("configuration", "inventory")  # areas whose mistakes are the operator's text


def findings(path: Path | None) -> list[Finding]:
    """All findings about a configuration file, or about the shipped defaults, on this host."""
    settings, told = _configuration(path)
    inventory, known = _inventory(settings)
    return [
        *told,
        *known,
        *groups(settings, inventory.vms()),
        *rights(),
        *back_ends(),
        *places(settings.paths),
        *mail(settings.mail),
        *texts(settings.notice),
        *hooks(settings),
        *fleet(settings),
        *standing(settings, inventory.vms()),
        *roster(settings),
        *table(),
        *attachment(settings.capture.exclude, settings.uplinks, inventory, enforcing(settings, inventory.vms())),
    ]


def exit_code(found: list[Finding]) -> int:
    """0 when nothing is wrong, 3 when the configuration or the inventory is, else 1."""
    areas = {finding.area for finding in found if finding.grade is Grade.WRONG}
    if areas & set(CONFIGURED):
        return ConfigError.exit_code
    return 1 if areas else 0


def _configuration(path: Path | None) -> tuple[Config, list[Finding]]:
    """The configuration; of a wrong one the sections that are right, so that the rest is checked too."""
    name = str(path or config.DEFAULTS)
    try:
        settings = config.load(path)
    except ConfigError as error:
        assert path is not None, "the shipped defaults are right: a test holds it"
        return config.what_is_right(path), [wrong("configuration", name, text) for text in error.findings]
    return settings, [ok("configuration", name, "right"), _host(settings), _enforce(settings)]


def _host(settings: Config) -> Finding:
    name = host(settings)
    return ok("configuration", "host", f"{name}: its cases are EG-YYYYMMDD-{host_digits(name)}...")


def _enforce(settings: Config) -> Finding:
    if settings.enforce:
        return ok("configuration", "enforce", ", ".join(settings.enforce))
    if any("enforce" in one.enforce.values() for one in (*settings.group, *settings.vm.values())):
        return ok("configuration", "enforce", "empty at the top: only what groups and single VMs say is null-routed")
    return ok("configuration", "enforce", "empty: everything is judged and recorded, nothing is null-routed")


def _inventory(settings: Config) -> tuple[Inventory, list[Finding]]:
    section = settings.inventory
    if not section.file and not section.vm:
        return Index(), [warning("inventory", "file", "none: no VM is known and nothing is ever enforced")]
    where = section.file or "[inventory]"
    try:
        inventory = configured(section)
    except ConfigError as error:
        return Index(), [wrong("inventory", where, text.removeprefix(f"{where}: ")) for text in error.findings]
    return inventory, list(_known(where, inventory))


def _known(file: str, inventory: Inventory) -> Iterator[Finding]:
    vms = inventory.vms()
    yield ok("inventory", file, f"{len(vms):,} VMs") if vms else warning("inventory", file, "holds no VM")
    silent = [vm.id for vm in vms if not vm.contact]
    if silent:
        more = ", ..." if len(silent) > 3 else ""
        text = f"{len(silent):,} VMs have no contact ({', '.join(silent[:3])}{more}): their notices go to the desk"
        yield warning("inventory", "contact", text)
