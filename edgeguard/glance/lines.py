"""The lines of `edgeguard status`, from the daemon's answer."""

from __future__ import annotations

from typing import Any

from edgeguard import clock
from edgeguard.clock import SECOND
from edgeguard.glance.around import care_lines, host_lines, trouble_line
from edgeguard.glance.words import told
from edgeguard.units import duration_text

NAMED = 5  # of the taps without a row of their own


def status(answer: dict[str, Any]) -> str:
    """All of them, safe for a terminal."""
    lines = [
        _daemon(answer),
        answer["text"],
        *_trouble(answer["trouble"]),
        *_unsent(answer["unsent"]),
        *map(_null_route, answer["ledger"]),
        *_overflow(answer.get("overflow")),
        *_hooks(answer.get("hooks")),
        *_mirror(answer.get("mirror")),
        *loud(answer["loud"]),
        *_customers(answer["customers"]),
        *_threads(answer),
        *_remote(answer["remote"]),
        *host_lines(answer.get("host")),
        *care_lines(answer.get("care", [])),
    ]
    return "\n".join(map(told, lines))


def _overflow(overflow: dict[str, Any] | None) -> list[str]:
    """The taps beyond the last row, where there are any."""
    if overflow is None:
        return []
    taps = overflow["taps"]
    share = "1 tap is at the overflow row" if len(taps) == 1 else f"{len(taps):,} taps share the overflow row"
    named = ", ".join(taps[:NAMED]) + (", ..." if len(taps) > NAMED else "")
    frames = f"{overflow['out']:,} frames out and {overflow['into']:,} in there so far"
    return [f"{share}, not judged and never acted upon: {named}; {frames}"]


def _daemon(answer: dict[str, Any]) -> str:
    enforce = f"enforces {', '.join(answer['enforce'])}" if answer["enforce"] else "observes only, enforces nothing"
    up = duration_text(int(answer["uptime_s"]) * SECOND)
    return f"edgeguard {answer['version']} on {answer['host_name']}, up {up}; {enforce}"


def _trouble(trouble: dict[str, str]) -> list[str]:
    """What is wrong; the host has lines of its own below."""
    return [f"trouble: {trouble_line(cause, words)}" for cause, words in trouble.items() if cause != "host"]


def _unsent(unsent: dict[str, Any]) -> list[str]:
    now = clock.now()
    return [
        f"unsent: {one['number']:,} by {carrier}, the oldest for {duration_text(max(0, now - one['oldest']))}"
        for carrier, one in unsent.items()
        if one["number"] and carrier == "mail"  # hooks and pages have a line of their own
    ]


def _null_route(one: dict[str, Any]) -> str:
    what = ", ".join(one["targets"]) or ("its forged packets" if one["scope"] == "own-only" else "everything")
    until = clock.utc(one["until"])
    return f"null-routed: {one['vm']} at {one['tap']}: {what}, until {until}; {one['proof']} ({one['case']})"


def _hooks(hooks: dict[str, Any] | None) -> list[str]:
    """What could not be handed to programs, webhooks and people, where there is something."""
    if not hooks:
        return []
    lines = []
    for state in ("waiting", "failed"):
        numbers = ", ".join(f"{name} {number:,}" for name, number in hooks[state].items())
        lines += [f"hooks and pages {state}: {numbers}"] if numbers else []
    return lines


def _mirror(mirror: dict[str, Any] | None) -> list[str]:
    """What a mirror port carries, where there is one."""
    if mirror is None:
        return []
    seen = mirror["sampling_seen"]
    lines = [
        f"mirror port {', '.join(mirror['ports'])}: {100 * mirror['duplicates']:.0f} % of the frames came twice; "
        f"one frame of {mirror['sampling']} declared, {'not measured' if seen is None else f'{seen:g} measured'}"
    ]
    lines += [f"  {mac}: no inventory entry; {frames:,} frames" for mac, frames in mirror["macs_unknown"].items()]
    if mirror["frames_of_further_macs"]:
        lines.append(f"  further MACs: {mirror['frames_of_further_macs']:,} frames")
    return lines


def loud(loud: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in loud:
        for rule, spans in one["packets"].items():
            told = ", ".join(f"{n:,} in {seconds} s" for seconds, n in spans.items())
            targets = one["about_targets"].get(rule)
            about = "" if targets is None else f", to about {targets:,} {'target' if targets == 1 else 'targets'}"
            if spans["1"]:
                lines.append(f"loud: {one['vm'] or 'unknown VM'} at {one['tap']}: {rule} packets {told}{about}")
    return lines


def _threads(answer: dict[str, Any]) -> list[str]:
    """Each capture thread, where there are several."""
    threads = answer.get("threads", [])
    lines = [
        f"thread {n}: {one['received']:,} frames, {one['lost']:,} lost; {one['entries']:,} entries of the flow memory"
        for n, one in enumerate(threads)
    ]
    if answer.get("untabled"):
        lines.append(f"packets whose targets no thread had room to count: {answer['untabled']:,}")
    return lines


def _customers(customers: dict[str, Any]) -> list[str]:
    """The sums of the last second; their limits stand in the configuration."""
    lines = []
    for one in customers["top"]:
        at = f"{one['points']:,} attachment point{'' if one['points'] == 1 else 's'}"
        udp = f"{one['udp']:,} UDP packets ({one['udp_one_way']:,} one-way)"
        lines.append(f"customer {one['customer']}: {one['syn']:,} SYN and {udp} out in the last second, at {at}")
    return lines


def _remote(remote: dict[str, Any]) -> list[str]:
    limits = ", ".join(f"{name} {limit:,}" for name, limit in remote["effective"].items())
    lines = [
        f"flow memory: {remote['entries']:,} of {remote['capacity']:,} entries, {remote['refused']:,} refused; "
        f"limits in force, packets in any second: {limits}"
    ]
    for one in remote["top"]:
        way = "to" if one["direction"] == "out" else "from"
        tap = f", mostly at {one['tap']}" if one["tap"] else ""
        lines.append(
            f"  {way} {one['network']}: {one['at_least']:,} to {one['at_most']:,} packets in the last second{tap}"
        )
    return lines
