"""`edgeguard lab incident`: what happened to operators and their customers, played again."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edgeguard.errors import UsageError

if TYPE_CHECKING:
    from edgeguard.lab.incidents.incident import Incident
    from edgeguard.lab.incidents.told import Result


def wanted(names: Sequence[str], every: bool) -> list[Incident]:
    """The incidents that are meant. UsageError where none of that name is known."""
    from edgeguard.lab.incidents.catalogue import INCIDENTS  # noqa: PLC0415 - compiles kernels: not for --help

    known = ", ".join(INCIDENTS)
    if bool(names) == every:
        raise UsageError(f"lab incident: name one, or give --all; known are {known}")
    if len(names) > 1:
        raise UsageError(f"lab incident: one at a time, not {' '.join(names)}")
    for name in names:
        if name not in INCIDENTS:
            raise UsageError(f"lab incident: there is no incident {name!r}; known are {known}")
    return list(INCIDENTS.values()) if every else [INCIDENTS[name] for name in names]


def listed(as_json: bool) -> None:
    """Every incident, one a line."""
    from edgeguard.lab.incidents.catalogue import INCIDENTS  # noqa: PLC0415

    for incident in INCIDENTS.values():
        row = {"incident": incident.name, "source": incident.source, "sentence": incident.sentence}
        told = f"{incident.name:21}{incident.source:9} {incident.sentence}"
        click.echo(json.dumps({**row, "real": bool(incident.real)}) if as_json else told)


def play(incidents: Sequence[Incident], as_json: bool) -> int:
    """In virtual time; the exit code."""
    from edgeguard.lab.incidents import stage, told  # noqa: PLC0415

    logging.getLogger("edgeguard").addHandler(logging.NullHandler())  # the story tells what the log would
    results = []
    for incident in incidents:
        results.append(told.judge(incident, stage.play(incident)))
        _print(incident, results[-1], as_json)
    return 0 if all(result.ok for result in results) else 1


def play_real(incidents: Sequence[Incident], host: str, as_json: bool) -> int:
    """With real packets, in namespaces; of --all those that can be."""
    from edgeguard.lab.incidents import real  # noqa: PLC0415
    from edgeguard.lab.incidents.catalogue import INCIDENTS  # noqa: PLC0415
    from edgeguard.lab.namespace import isolated  # noqa: PLC0415

    known = [incident.name for incident in INCIDENTS.values() if incident.real]
    if len(incidents) == 1:
        real.require(incidents[0], known)
    return max(isolated(lambda one=one: _real(one, host, as_json)) for one in incidents if one.real)  # type: ignore[misc]


def _real(incident: Incident, host: str, as_json: bool) -> int:
    from edgeguard.lab import story  # noqa: PLC0415
    from edgeguard.lab.incidents import real  # noqa: PLC0415

    result = real.play(incident, host, story.Story(story.printer(story.for_output(as_json))))
    _print(incident, result, as_json)
    return 0 if result.ok else 1


def _print(incident: Incident, result: Result, as_json: bool) -> None:
    from edgeguard.lab import story  # noqa: PLC0415
    from edgeguard.lab.incidents import told  # noqa: PLC0415

    told.tell(incident, result, story.printer(story.for_output(as_json)))
    if as_json:
        click.echo(json.dumps(result.values))
