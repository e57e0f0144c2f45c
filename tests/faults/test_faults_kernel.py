"""The kernel refuses, forgets, loses events, or is changed by somebody's hand while a flood runs."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import kernel
import pytest
from agreement import agree
from mailserver import text_of
from stage import Stage

from edgeguard.lab import addresses as plan

Make = Callable[..., Stage]
KINDS = ("routed", "bridged")
NOTICED_S = 1.0
BUSY_S = 10.0  # what a machine that is shared may add
ASK = {
    "routed": "edgeguard.enforcement.routes:Routes._ask",
    "bridged": "edgeguard.enforcement.netfilter:Netfilter._commit",
}
RAISED = {"routed": "netlink", "bridged": "refused"}
PASSING = (errno.ENOBUFS,)  # tried again at once
TIMES = {errno.ENOBUFS: 2, errno.EBUSY: 1, errno.EPERM: 1}


def _faults(kind: str, number: int, times: int) -> list[dict[str, Any]]:
    """The kernel's answer to the first requests of an action; a bridged host's table of chains is made before it."""
    first = 1 if kind == "routed" else 2
    fault = {"at": ASK[kind], "when": "before", "do": RAISED[kind], "value": number}
    return [{**fault, "nth": nth} for nth in range(first, first + times)]


def refusing(make: Make, kind: str, number: int) -> None:
    stage = make(kind, wait="5s")  # as shipped: the mail waits for what happened
    stage.start(child={"faults": _faults(kind, number, TIMES[number])})
    with stage.flood():
        if number in PASSING:
            stage.until_null_routed()
        else:
            stage.until(lambda: _refused(stage), "the refusal is recorded")
            agree(stage)
            assert "not put in place" in _mails(stage), "the customer is told that it is not in place"
            stage.kill()
            stage.restart()  # decided anew at once, not after a pause of its own
            stage.until_null_routed()
        agree(stage)
        assert stage.ledger().orders()


def _refused(stage: Stage) -> bool:
    return any(row["happened"] == "failed" for row in stage.ledger().outcomes)


def _mails(stage: Stage) -> str:
    return " ".join(str(mail["Subject"]).lower() + text_of(mail).lower() for mail in list(stage.office.mails))


@pytest.mark.parametrize("number", list(TIMES), ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("kind", KINDS)
def test_netlink_refuses(kind: str, number: int, beside: Any, request: pytest.FixtureRequest) -> None:
    """What the kernel refuses is recorded and told as not in place, leaves nothing behind, and is done in the end."""
    beside.run(request, refusing)


def powerless(make: Make, kind: str) -> None:
    """EPERM by the kernel itself."""
    stage = make(kind)
    put = "edgeguard.enforcement.standing:Standing.put"
    stage.start(child={"faults": [{"at": put, "when": "before", "nth": 2, "do": "powerless"}]})
    stage.add((plan.TARGETS[1],), vm="102")
    agree(stage)
    with contextlib.suppress(Exception):
        stage.add((plan.TARGETS[0],))
    stage.until(lambda: _refused(stage), "the refusal is recorded")
    stage.until(lambda: "CAP_NET_ADMIN" in stage.said(), "the log names the right")
    agree(stage)
    stage.kill()
    stage.restart()
    agree(stage)
    stage.release("102")
    agree(stage)


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_is_lost(kind: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """A child that may change nothing any more says so; what stood stays, and a new child goes on."""
    beside.run(request, powerless)


# ---- events lost ----------------------------------------------------------------------------------


def deaf(make: Make, kind: str) -> None:
    stage = make(kind)
    sizes = {"edgeguard.enforcement.links:_EVENT_BYTES": 1, "edgeguard.enforcement.changes:_BUFFER": 1}
    stage.start(child={"deaf": sizes}, deaf={"edgeguard.capture.links:BUFFER": 1})
    stage.add((plan.TARGETS[0],))
    stage.add((plan.TARGETS[1],), vm="102")
    agree(stage)
    with _storm(stage):
        stage.remove_tap()
        stage.until(lambda: len(stage.ledger().standing) == 1, "the tap's null route has ended")
    agree(stage)
    assert [order["vm"] for order in stage.ledger().orders()] == ["102"]


@contextlib.contextmanager
def _storm(stage: Stage) -> Iterator[None]:
    """More events of links than the smallest buffers hold."""
    lines = "".join(f"link add s{n} type veth peer name p{n}\nlink set s{n} up\nlink del s{n}\n" for n in range(200))
    with stage.namespace.inside():
        process = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.close()
    time.sleep(0.05)
    yield
    process.wait(60)


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_lost(kind: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """With buffers so small that the kernel drops events (ENOBUFS) a tap that goes takes its null route with it."""
    beside.run(request, deaf)


# ---- by hand --------------------------------------------------------------------------------------

HANDS = {
    "routed": {
        "rules": ["ip -4 rule flush protocol 78", "ip -6 rule flush protocol 78"],
        "routes": ["ip -4 route flush table all proto 78", "ip -6 route flush table all proto 78"],
    },
    "bridged": {
        "table": ["nft delete table netdev edgeguard"],
        "elements": ["nft flush set netdev edgeguard port4", "nft flush set netdev edgeguard frag4"],
    },
}


def flushed(make: Make, kind: str, what: str) -> None:
    stage = make(kind)
    stage.start()
    with stage.flood():
        stage.until_null_routed()
        stage.add(("203.0.113.85:80/tcp", plan.TARGET6))
        agree(stage)
        for line in HANDS[kind][what]:
            with stage.namespace.inside():
                subprocess.run(line.split(), check=True)
        began = time.monotonic()
        stage.until(lambda: not _missing(stage), "put back")
        took = time.monotonic() - began
        assert took < NOTICED_S + BUSY_S
        stage.until(lambda: "another program" in " ".join(_details(stage)), "the case tells it")
        agree(stage)


def _missing(stage: Stage) -> set[kernel.Thing]:
    names = {order["tap"]["ifindex"]: order["tap"]["name"] for order in stage.ledger().orders()}
    wanted = kernel.wanted(stage.ledger().orders(), stage.place, names, stage.now())
    return set(wanted) - set(kernel.standing(stage.namespace, stage.place))


def _details(stage: Stage) -> list[str]:
    from edgeguard.cases.reader import Reader  # noqa: PLC0415

    with Reader(stage.database) as reader:
        return [line.text for case in reader.cases() for line in reader.timeline(case.id)]


@pytest.mark.parametrize(("kind", "what"), [(kind, what) for kind, hands in HANDS.items() for what in hands])
def test_flushed_by_hand(kind: str, what: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """While a flood runs somebody takes away what we put: it stands again at once, and the case tells it."""
    beside.run(request, flushed)


def foreign(make: Make, kind: str) -> None:
    """The operator's own, of our name or in our range."""
    stage = make(kind)
    line = (
        "nft add table netdev edgeguard"
        if kind == "bridged"
        else f"ip rule add iif lo lookup 99 priority {stage.place.priority + 20}"
    )
    with stage.namespace.inside():
        subprocess.run(line.split(), check=True)
    stage.launch()
    assert stage.dead() == 1
    assert len(stage.said().strip().splitlines()) == 1, stage.said()
    shown = kernel.told(stage.namespace, *(("nft", "list", "tables") if kind == "bridged" else ("ip", "rule")))
    assert "edgeguard" in shown if kind == "bridged" else "iif lo" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_numbers_are_taken(kind: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """What another program holds under our name or in our range is refused with one line and never touched."""
    beside.run(request, foreign)


# ---- taps that go ---------------------------------------------------------------------------------

GOING = 12  # times that a tap is taken away in the middle of an action


def going(make: Make, kind: str) -> None:
    stage = make(kind)
    slow = {"at": ASK[kind], "when": "before", "nth": 0, "do": "sleep", "value": 0.01}
    stage.start(child={"faults": [slow]})
    for number in range(GOING):
        thread = threading.Thread(target=_ignoring, args=(stage.add, (plan.TARGETS[0], plan.TARGET6)), daemon=True)
        thread.start()
        time.sleep(number * 0.008)
        stage.remove_tap()
        thread.join(60)
        agree(stage)
        assert stage.ledger().orders() == [] and not kernel.standing(stage.namespace, stage.place)
        stage.make_tap()
        stage.until(lambda: _known(stage), "the new tap is known")


def _ignoring(what: Callable[..., Any], *arguments: Any) -> None:
    with contextlib.suppress(Exception):
        what(*arguments)


def _known(stage: Stage) -> bool:
    return bool(stage.status()["taps"] == 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_goes_during_an_action(kind: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """A tap that disappears between any two messages of an action leaves nothing of it in the kernel."""
    beside.run(request, going)


def inherited(make: Make, kind: str, running: bool) -> None:
    stage = make(kind)
    stage.start()
    stage.add((plan.TARGETS[0],))
    stage.add(full=True)
    agree(stage)
    if not running:
        stage.kill()
    with stage.arriving() as arrived:
        stage.remove_tap()
        stage.make_tap()
        with stage.flood(plan.TARGETS[0], rate=400):
            if not running:
                stage.start()
            began = time.monotonic()
            stage.until(lambda: arrived.get(plan.TARGETS[0], 0) > 100, "the next customer's packets arrive")
            assert time.monotonic() - began < NOTICED_S + BUSY_S
    agree(stage)
    assert stage.ledger().orders() == []
    assert not kernel.standing(stage.namespace, stage.place)


@pytest.mark.parametrize("running", [True, False], ids=["", "while no daemon runs"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_is_the_next_customers(kind: str, running: bool, beside: Any, request: pytest.FixtureRequest) -> None:
    """A tap made again under its old name is free: the null route went with the one before it."""
    beside.run(request, inherited)
