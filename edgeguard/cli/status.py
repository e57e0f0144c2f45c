"""`edgeguard status`: how the running daemon is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeguard.cli.around import care_lines, host_lines
from edgeguard.cli.options import config_option, example, json_option, loaded

NAMED = 5  # of the taps without a row of their own


@click.command(epilog=example("edgeguard status", "edgeguard status --json"))
@json_option
@config_option
def status(as_json: bool, config_path: Path) -> None:
    """Frames and loss, taps, null routes, the customers who send most, the flow memory's limits and how full it is."""
    from edgeguard import control  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.request import Status  # noqa: PLC0415

    answer = control.ask(loaded(config_path).paths.socket, Status())
    if as_json:
        output.print_json(answer)
        return
    click.echo(output.told(answer["text"]))
    for line in [
        *_overflow(answer.get("overflow")),
        *_rules(answer.get("rules")),
        *_mirror(answer.get("mirror")),
        *_loud(answer["loud"]),
        *_customers(answer["customers"]),
        *_threads(answer),
        *_remote(answer["remote"]),
        *host_lines(answer.get("host")),
        *care_lines(answer.get("care", [])),
    ]:
        click.echo(output.told(line))


def _overflow(overflow: dict[str, Any] | None) -> list[str]:
    """The taps beyond the last row, where there are any."""
    if overflow is None:
        return []
    taps = overflow["taps"]
    share = "1 tap is at the overflow row" if len(taps) == 1 else f"{len(taps):,} taps share the overflow row"
    named = ", ".join(taps[:NAMED]) + (", ..." if len(taps) > NAMED else "")
    frames = f"{overflow['out']:,} frames out and {overflow['into']:,} in there so far"
    return [f"{share}, not judged and never acted upon: {named}; {frames}"]


def _rules(rules: dict[str, Any] | None) -> list[str]:
    """What is wrong with the rules file, where there is one and something is."""
    return [rules["trouble"]] if rules and rules["trouble"] else []


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


def _loud(loud: list[dict[str, Any]]) -> list[str]:
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
