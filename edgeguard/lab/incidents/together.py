"""What an incident may expect of cases that go together: that people see one thing, and are done with it at once."""

from __future__ import annotations

from edgeguard.lab.incidents.expect import decisions, mails_to, null_routes
from edgeguard.lab.incidents.incident import Expectation, Played
from edgeguard.model import Act


def one_matter(vms: tuple[str, ...], until: int) -> Expectation:
    """What is null-routed of these VMs until then has one leader, and whoever looked saw one thing to do."""

    def wrong(played: Played) -> str | None:
        routes = [route for route in null_routes(played) if route.decision.at < played.begin + until]
        leaders = {played.leaders.get(route.decision.case) for route in routes}
        if {route.decision.subject.vm for route in routes} != {*vms} or len(leaders) != 1:
            return f"{len(routes)} null routes of {len(leaders)} leaders"
        told = [f"{one.by} saw {one.listed}, {one.next}, {one.null_routed} VMs" for one in played.looks]
        good = [(leader,) == one.listed == one.next for one in played.looks for leader in leaders]
        if good and all(good) and played.looks[0].null_routed == len(vms):
            return None
        return "; ".join(told) or "nobody looked"

    return Expectation(
        f"{_names(vms)} are one line of the list, and one entry of next: {len(vms)} VMs null-routed", wrong
    )


def one_id(address: str) -> Expectation:
    """Every mail to this address has the same id in its subject: that of the leader of the case that it is about."""

    def wrong(played: Played) -> str | None:
        mails = mails_to(played, address)
        named = {mail.subject.partition("]")[0].strip(" [") for mail in mails}
        about = {dict(mail.headers)["X-EdgeGuard-Case"] for mail in mails}
        led = {played.leaders.get(case) for case in about}
        good = len(named) == 1 and named == led and len(about) > 1
        return None if good else f"{len(mails)} mails about {len(about)} cases, named {', '.join(sorted(named)) or '-'}"

    return Expectation(f"all mails to {address} have one id in their subject, whichever server they are about", wrong)


def freed_at_once(by: str, disposition: str, vms: tuple[str, ...]) -> Expectation:
    """One release of each of these VMs, at one moment, by this person; each says what was found."""

    def wrong(played: Played) -> str | None:
        released = [one for one in decisions(played) if one.act is Act.RELEASE and one.by == by]
        found = sorted(str(one.subject.vm) for one in released)
        said = {str(one.grace.disposition) if one.grace else "" for one in released}
        good = found == sorted(vms) and len({one.at for one in released}) == 1 and said == {disposition}
        good = good and len({one.case for one in released}) == len(vms)
        return None if good else f"{len(found)} releases at {len({one.at for one in released})} moments: {sorted(said)}"

    return Expectation(f"{by} frees {_names(vms)} by one command, and each release is recorded as {disposition}", wrong)


def _names(vms: tuple[str, ...]) -> str:
    return f"{vms[0]} to {vms[-1]}"
