"""An incident in real time: the lab's scenario that has its mechanism, told beside what happened then."""

from __future__ import annotations

from edgeguard.errors import UsageError
from edgeguard.lab.incidents.incident import Incident, Line
from edgeguard.lab.incidents.told import Result, heading
from edgeguard.lab.run import run
from edgeguard.lab.scenario import SCENARIOS
from edgeguard.lab.story import Story

EVENTS = {
    "crossed_ns": "the limit is crossed",
    "routed_ns": "null-routed: the kernel has acknowledged it",
    "verified_ns": "verified: nothing leaves to the target any more",
    "notice_ns": "the mail server has the owner's mail",
}


def require(incident: Incident, known: list[str]) -> None:
    """UsageError for one that only virtual time can show."""
    if not incident.real:
        told = f"it is played in virtual time only; --real knows {', '.join(known)}"
        raise UsageError(f"lab incident: {incident.name}: {told}")


def play(incident: Incident, kind: str, story: Story) -> Result:
    """On a host of this kind, inside the lab's namespaces; `story` is told as it happens."""
    found = run(SCENARIOS[incident.real], kind, story)
    begin = found.values["flood_started_ns"]
    at = {name: found.values[name] for name in EVENTS}
    here = [Line(at[name] - begin, text) for name, text in EVENTS.items() if begin is not None and at[name] is not None]
    values = {
        **heading(incident, here, found.wrong),
        "expectations": [],
        "troubles": list(found.wrong),
        "figures": [],
        "mails": int(found.values["mail"] is not None),
        "real": found.values,
    }
    return Result(values, found.wrong)
