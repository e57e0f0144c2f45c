"""A page wakes whoever is on duty, each by a program of his own; a mail reaches them by address. Real programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hooks import script, until
from mailserver import Sink, serving
from test_hooks_courier import NOW, config, rows, running, store  # noqa: F401 - fixtures

from edgeguard.cases.store import Store
from edgeguard.hooks.message import to_desk
from edgeguard.hooks.page import page

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS = {"days": DAYS, "from": "00:00", "to": "24:00"}


def roster(*shifts: dict[str, Any]) -> dict[str, Any]:
    return {"zone": "UTC", "shift": list(shifts)}


def test_everybody_on_duty_is_woken_by_his_own_program(tmp_path: Path, store: Store, running: Any) -> None:  # noqa: F811
    """Two on duty and one who is not; the page's own program is for when none of them could be reached."""
    woken = {name: tmp_path / f"{name}.woken" for name in ("alex", "robin", "kim", "page")}
    program = {name: [script(tmp_path, f"cat > {file}", name)] for name, file in woken.items()}
    never = {"days": ["mon"], "from": "03:00", "to": "03:01", "name": "kim", "page": program["kim"]}
    shifts = [{**ALWAYS, "name": name, "page": program[name]} for name in ("alex", "robin")]
    settings = config(tmp_path, page={"program": program["page"]}, roster=roster(*shifts, never))
    store.deliver([page("a clock", "hv1", NOW, None, ["a reply is due"])])
    running(settings, store)
    until(lambda: rows(store) == [("page", "sent", 1)], "the page is taken")
    assert {name for name, file in woken.items() if file.exists()} == {"alex", "robin"}
    assert "a reply is due" in woken["alex"].read_text()


def test_where_nobody_on_duty_could_be_reached_the_pages_program_is(
    tmp_path: Path,
    store: Store,  # noqa: F811
    running: Any,  # noqa: F811
) -> None:
    """A program of one's own that fails wakes nobody: the page's does."""
    woken = tmp_path / "woken"
    shift = {**ALWAYS, "name": "alex", "page": [script(tmp_path, "exit 1", "modem")]}
    program = [script(tmp_path, f"cat > {woken}", "pager")]
    store.deliver([page("a clock", "hv1", NOW, None, ["a reply is due"])])
    running(config(tmp_path, page={"program": program}, roster=roster(shift)), store)
    until(lambda: rows(store)[0][1] == "sent" and woken.exists(), "the pager was tried")


def test_a_program_of_ones_own_is_enough(tmp_path: Path, store: Store, running: Any) -> None:  # noqa: F811
    """No [page] program has to be named beside."""
    woken = tmp_path / "woken"
    shift = {**ALWAYS, "name": "alex", "page": [script(tmp_path, f"cat > {woken}", "sms")]}
    store.deliver([page("a clock", "hv1", NOW, None, ["a reply is due"])])
    running(config(tmp_path, roster=roster(shift)), store)
    until(lambda: rows(store) == [("page", "sent", 1)] and woken.exists(), "alex is woken")


def test_a_reminder_reaches_its_person(tmp_path: Path, store: Store, running: Any) -> None:  # noqa: F811
    """By the address that it names; without one it is the desk's."""
    sink = Sink()
    with serving(sink) as port:
        mail = {"server": f"127.0.0.1:{port}", "tls": "none", "from": "edge@example.org", "desk": "desk@example.org"}
        store.deliver([to_desk("one", None, "due", "text", NOW, to="alex@example.net")])
        store.deliver([to_desk("two", None, "due", "text", NOW)])
        running(config(tmp_path, mail=mail), store)
        until(lambda: len(sink.mails) == 2, "both are mailed")
    assert [message["To"] for message in sink.mails] == ["alex@example.net", "desk@example.org"]
