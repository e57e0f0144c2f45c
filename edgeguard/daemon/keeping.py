"""Answers to people who keep a null route, or contest it: hold, uphold, appeal; and reopen.

Freeing takes one person, binding takes two. Whatever is kept covers the null routes that stand when it is said, no
later ones; its end is lengthened in the kernel, too, and in the database before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeguard import clock, roster, units
from edgeguard.cases.case import Case
from edgeguard.daemon import byhand
from edgeguard.daemon.together import Desk, Office
from edgeguard.decision import binding
from edgeguard.decision.ledger import Entry
from edgeguard.enforcement.boottime import boot, boottime, stamped
from edgeguard.errors import UsageError
from edgeguard.handing import host
from edgeguard.letters import Notice
from edgeguard.model import Order
from edgeguard.notice.kept import kept
from edgeguard.notice.values import background
from edgeguard.request import AppealCase, HoldCase, ReopenCase, UpholdCase
from edgeguard.states import APPEALED, AUTOMATION, CUSTOMER, ONE, TABLE, THIRD, TWO
from edgeguard.word import OWNER, Said, Word

BINDS = (Said.HOLD, Said.VOICE, Said.UPHOLD, Said.KEEP)
TELLS = (Said.HOLD, Said.UPHOLD, Said.KEEP)  # the owner reads of these: what he was told before holds no more


def hold(live: Office, case: Case, ask: HoldCase, by: str, now: int) -> str:
    """It stays although it is quiet: until the next shift, 12 hours at most, once."""
    state, entries = _after(case, Said.HOLD, ONE), _standing(live, case)
    longest = live.config.clocks.hold
    if held := next((word for word in live.store.words(case.id) if word.said is Said.HOLD), None):
        over = clock.utc(held.until or held.at)
        raise UsageError(f"{case.id}: {held.by} has held it once, until {over}; to keep it takes two: case uphold")
    if ask.for_ns > longest:
        raise UsageError(f"{case.id}: it can be held for {units.duration_text(longest)} at most, and once")
    lasts = ask.for_ns or roster.to_next_shift(live.config.roster, longest, now)
    until, most = now + lasts, byhand.most_of(entries, by, longest)
    if most is not None and until > most:  # his own null route: holding it is no second person's word
        if ask.for_ns or most <= now:
            told = f"{by} null-routed it by hand, and alone keeps it until {clock.utc(most)} at most"
            raise UsageError(f"{case.id}: {told}; longer takes two: case uphold")
        until = most
    word = _word(case, Said.HOLD, now, by, ask.why, entries, until=until)
    _say(live, replace(case, state=state), word, entries)
    return f"{case.id}: held until {clock.utc(word.until or now)}; then every clock goes on as before"


def uphold(live: Office, case: Case, ask: UpholdCase, by: str, now: int) -> str:
    """One of two voices, the second, or a third person's word on an appeal."""
    who = THIRD if case.state == APPEALED else TWO
    state, entries = _after(case, Said.UPHOLD, who), _standing(live, case)
    people = live.engine.ends.binding(case.id)
    appealed = people.appealed([entry.decision.id for entry in entries]) is not None
    if who == THIRD and by in bound_by(live, case.id, entries):
        raise UsageError(f"{case.id}: {by} has kept it before; an appeal is decided by somebody who has not")
    until = now + live.config.clocks.read_again
    if appealed and people.upheld is not None:
        word = _word(case, Said.KEEP, now, by, ask.why, _of(entries, people.upheld.covers), until=until)
        _say(live, replace(case, state=state), replace(word, conditions=people.upheld.conditions), entries)
        return f"{case.id}: the appeal is decided: upheld until {clock.utc(until)} at the latest"
    first = people.voice
    if first is None or now - first.at > live.config.clocks.second_voice or not _of(entries, first.covers):
        return _first(live, case, ask, by, now, entries)
    if first.by == by:
        raise UsageError(f"{case.id}: {by} has said so already; nothing is upheld by one person, another must agree")
    covered = _of(entries, first.covers)
    word = _word(case, Said.UPHOLD, now, by, ask.why, covered, until=until)
    word = replace(word, first=first.by, conditions=first.conditions)
    _say(live, replace(case, state=state), word, entries)
    quiet = units.duration_text(live.config.clocks.upheld_quiet)
    return f"{case.id}: upheld by {first.by} and {by} until {clock.utc(until)} at the latest; {quiet} of quiet end it"


def _first(live: Office, case: Case, ask: UpholdCase, by: str, now: int, entries: list[Entry]) -> str:
    """A first voice changes nothing yet: every clock goes on."""
    if not ask.conditions:
        raise UsageError(f"{case.id}: say what is enough to end it: --ends-when '...', one or more")
    word = _word(case, Said.VOICE, now, by, ask.why, entries)
    _say(live, case, replace(word, conditions=tuple(ask.conditions)), entries)
    within = units.duration_text(live.config.clocks.second_voice)
    return f"{case.id}: one of two voices; a second person has to uphold it within {within}, until then nothing changes"


def appeal(live: Office, case: Case, ask: AppealCase, by: str, now: int) -> str:
    """The owner disagrees, and a person enters it."""
    word = contested(live, case, by, ask.why, now)
    ends = clock.utc(due(live, case, word))
    return f"{case.id}: appealed; a third person upholds or releases it, undecided it ends at {ends}"


def contested(live: Office, case: Case, by: str, why: str, at: int, reply: int | None = None) -> Word:
    """An appeal, entered by a person or out of a reply. UsageError: it is none, and why."""
    entries, people = _standing(live, case), live.engine.ends.binding(case.id)
    if people.appealed([entry.decision.id for entry in entries]):
        raise UsageError(f"{case.id}: it is appealed already; a third person decides")
    state = _after(case, Said.APPEAL, CUSTOMER if by == OWNER else ONE)
    if people.decided and people.upheld is not None:
        raise UsageError(f"{case.id}: an appeal was decided already; it can be appealed when two people read it again")
    word = replace(_word(case, Said.APPEAL, at, by, why, entries), reply=reply)
    _say(live, replace(case, state=state), word, entries)
    return word


def due(live: Office, case: Case, word: Word) -> int:
    """When an appeal that nobody decided ends in release."""
    return binding.due(word, live.engine.ends.full_since(case.id), live.config.clocks)


def reopen(live: Office, case: Case, ask: ReopenCase, by: str, now: int) -> str:
    """A closed case is open again, until a person closes it."""
    if case.closed is None:
        raise UsageError(f"{case.id}: it is open")
    other = next((one for one in live.store.find(case.vm or case.tap or case.id) if one.closed is None), None)
    if other is not None:
        raise UsageError(f"{case.id}: {other.id} of the same VM is open; write what you know there")
    opened = replace(case, state=_after(case, Said.REOPEN, ONE), closed=None, outcome=None)
    _say(live, opened, _word(case, Said.REOPEN, now, by, ask.why, []), [])
    live.engine.docket.reopen(opened)
    live.engine.allowances.judged(live.store.priors(0, case.id), case.id)  # what was said of its end is said no more
    return f"{case.id}: open again, until a person closes it"


# ---- what they share -------------------------------------------------------------------------------


def _after(case: Case, said: Said, who: str) -> str:
    """Where the word leads by the table; UsageError where it leads nowhere, or is not theirs to say."""
    state = TABLE.after(case.state, said, who)
    if state is None:
        told = f"out of {case.state!r} there is no {said} by {who}"
        raise UsageError(f"{case.id}: {told}; see 'edgeguard explain --states'")
    return state


def _standing(live: Office, case: Case) -> list[Entry]:
    entries = list(live.engine.ledger.of_case(case.id))
    if not entries:
        raise UsageError(f"{case.id}: nothing of it is null-routed; there is nothing to keep and nothing to contest")
    return entries


def _of(entries: list[Entry], decisions: tuple[str, ...]) -> list[Entry]:
    return [entry for entry in entries if entry.decision.id in decisions]


def bound_by(live: Desk, case: str, entries: Sequence[Entry]) -> set[str]:
    """Everybody who ever spoke to keep something of the case, as the database counts it, or null-routed by hand what
    stands: none of them decides an appeal."""
    spoke = {word.by for word in live.store.words(case) if word.said in BINDS}
    return {*spoke, *(entry.decision.by for entry in entries)} - {AUTOMATION}


def spoke(live: Office, case: Case, ask: HoldCase | UpholdCase, by: str) -> bool:
    """Whether somebody has said that already of what stands of a case."""
    said = (Said.HOLD,) if isinstance(ask, HoldCase) else (Said.VOICE, Said.UPHOLD, Said.KEEP)
    stands = {entry.decision.id for entry in live.engine.ledger.of_case(case.id)}
    words = live.store.words(case.id)
    return any(word.said in said and word.by == by and not stands.isdisjoint(word.covers) for word in words)


def _word(case: Case, said: Said, at: int, by: str, why: str, entries: list[Entry], until: int | None = None) -> Word:
    covers = tuple(entry.decision.id for entry in entries)
    return Word(case.id, said, at, by, why, until, covers, since=boottime(), boot=boot())


def _say(live: Office, case: Case, word: Word, entries: list[Entry]) -> None:
    """On the disk first, with what it lengthens; then it holds, and the kernel is told."""
    orders = [] if word.until is None else [_lasting(one, word.until) for one in _of(entries, word.covers)]
    longer = [order for order in orders if order is not None]
    live.store.say(case, word, longer, _notices(live, case, word, _of(entries, word.covers)))
    live.engine.said(case, word, longer)
    for order in longer:
        live.enforcer.order(order)
    live.outbox.wake()


def _lasting(entry: Entry, until: int) -> Order | None:
    """The order with the later end; None: it lasts as long already."""
    return stamped(replace(entry.order, until=until, ends=0, boot="")) if entry.over < until else None


def _notices(live: Office, case: Case, word: Word, entries: list[Entry]) -> tuple[Notice, ...]:
    if word.said not in TELLS or not entries:
        return ()
    decisions = [entry.decision for entry in entries]
    recorded = live.store.recorded(decisions[0].id)
    vm = next((vm for vm in live.inventory.vms() if vm.id == case.vm), None)
    return kept(word, decisions, recorded.verdict if recorded else None, vm, background(live.config, host(live.config)))
