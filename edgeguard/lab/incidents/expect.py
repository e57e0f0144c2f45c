"""What an incident may expect: each a sentence, and what is wrong where it does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from edgeguard import units
from edgeguard.claims.claim import Answer
from edgeguard.clock import SECOND
from edgeguard.context import Fact, NoGroundError
from edgeguard.lab.account import NullRoute
from edgeguard.lab.incidents.guests import DESK
from edgeguard.lab.incidents.incident import Expectation, Played
from edgeguard.lab.incidents.post import Taken
from edgeguard.model import PAGES, Act, Decision, Scope, Verdict
from edgeguard.reading import INTO
from edgeguard.word import Said

NOTICE_S = 60  # from a null route to its mail, at most


def null_routes(played: Played) -> list[NullRoute]:
    """All of them, on every host, in the order they were decided on each."""
    return [route for account in played.accounts for route in account.null_routes()]


def decisions(played: Played) -> Iterator[Decision]:
    return (decision for account in played.accounts for decision in account.decisions)


def verdicts(played: Played) -> Iterator[Verdict]:
    return (verdict for account in played.accounts for verdict in account.verdicts)


def mails_to(played: Played, address: str) -> list[Taken]:
    return [mail for mail in played.mails if address in mail.to]


def pages(played: Played, cause: str = "") -> list[Taken]:
    """The mails by which a person is woken."""
    causes = tuple(f": {one}" for one in ((cause,) if cause else PAGES))
    return [mail for mail in mails_to(played, DESK) if any(one in mail.subject for one in causes)]


# ---- what is done ------------------------------------------------------------------------------------


def touched(*vms: str) -> Expectation:
    """Of these VMs something is null-routed, and of no other."""

    def wrong(played: Played) -> str | None:
        found = sorted({route.decision.subject.vm or "?" for route in null_routes(played)})
        return _unless(found == sorted(vms), f"null-routed: {', '.join(found) or 'nobody'}")

    return Expectation(f"null-routed: {', '.join(vms)}, and nobody else" if vms else "nothing is null-routed", wrong)


def at_most_narrow() -> Expectation:
    """Only targets are dropped, never a whole VM."""

    def wrong(played: Played) -> str | None:
        wider = [route.decision for route in null_routes(played) if route.decision.scope is not Scope.NARROW]
        return _unless(not wider, f"{len(wider)} wider than narrow: {wider[0].scope}" if wider else "")

    return Expectation("only the targets are dropped: everything else of these VMs works on", wrong)


def only_targets(*places: str) -> Expectation:
    """Exactly these are dropped."""

    def wrong(played: Played) -> str | None:
        found = sorted({place for route in null_routes(played) for place in route.places})
        return _unless(found == sorted(places), f"dropped: {', '.join(found) or 'nothing'}")

    return Expectation(f"what is dropped goes to {', '.join(places)}", wrong)


def null_routed_times(times: int, since: int = 0) -> Expectation:
    """So many null routes begin from a time of the story on."""

    def wrong(played: Played) -> str | None:
        found = [route for route in null_routes(played) if route.decision.at >= played.begin + since]
        return _unless(len(found) == times, f"{len(found)} null routes")

    later = f" from {units.duration_text(since)} on" if since else ""
    return Expectation(f"{times} null routes begin{later}", wrong)


def freed(why: str) -> Expectation:
    """Every null route has ended, and one of them for this reason."""

    def wrong(played: Played) -> str | None:
        standing = [route for route in null_routes(played) if route.ended is None]
        if standing:
            return f"{len(standing)} null routes stand at the end"
        reasons = {decision.reason for decision in decisions(played) if decision.releases}
        return _unless(any(why in reason for reason in reasons), f"ended: {'; '.join(sorted(reasons)) or 'nothing'}")

    return Expectation(f"every null route has ended, one because {why}", wrong)


def walked(vm: str, *states: str) -> Expectation:
    """A case of the VM went through these states."""

    def wrong(played: Played) -> str | None:
        paths = [path for case, path in played.states.items() if played.whose.get(case) == vm]
        told = "; ".join(" > ".join(path) for path in paths) or "it has no case"
        return _unless(states in paths, told)

    return Expectation(f"a case of {vm} goes {' > '.join(states)}", wrong)


# ---- why not ---------------------------------------------------------------------------------------------


def refused(safety: str, *vms: str) -> Expectation:
    """For each of these VMs the safety refused; none named: for any."""

    def wrong(played: Played) -> str | None:
        found = {
            decision.subject.vm
            for decision in decisions(played)
            for answer in decision.safeties
            if (answer.name, answer.answer) == (safety, "refuse")
        }
        missing = [vm for vm in vms if vm not in found]
        return _unless(bool(found) and not missing, f"it did not for {', '.join(missing) or 'anybody'}")

    return Expectation(f"the safety '{safety}' refuses{f' for {_few(vms)}' if vms else ''}", wrong)


def answered(safety: str, answer: str, why: str, *vms: str) -> Expectation:
    """For each of these VMs the safety said so, in these words."""

    def wrong(played: Played) -> str | None:
        found = {
            decision.subject.vm
            for decision in decisions(played)
            for one in decision.safeties
            if (one.name, one.answer) == (safety, answer) and why in one.reason
        }
        missing = [vm for vm in vms if vm not in found]
        return _unless(not missing, f"it did not for {', '.join(missing)}")

    return Expectation(f"the safety '{safety}' says {answer} for {_few(vms)}: {why}", wrong)


def no_ground(*names: str) -> Expectation:
    """None of these facts about a customer can be recorded."""

    def wrong(_: Played) -> str | None:
        taken = [name for name in names if not _is_refused(name)]
        return _unless(not taken, f"recorded: {', '.join(taken)}")

    return Expectation(f"no standing can rest on {', '.join(names)}", wrong)


def _is_refused(fact: str) -> bool:
    try:
        Fact(fact, False, 0)
    except NoGroundError:
        return True
    return False


def no_verdict(*vms: str) -> Expectation:
    """No rule finds anything in what these VMs send."""

    def wrong(played: Played) -> str | None:
        found = [v for v in verdicts(played) if v.subject.vm in vms and v.rule not in INTO]
        return _unless(not found, f"{len(found)} verdicts, like {found[0].rule} {found[0].band}" if found else "")

    return Expectation(f"no verdict against {_few(vms)}", wrong)


def verdict_about(vm: str, rule: str) -> Expectation:
    """The rule did look at the VM: silence would prove nothing."""

    def wrong(played: Played) -> str | None:
        found = {v.rule for v in verdicts(played) if v.subject.vm == vm}
        return _unless(rule in found, f"verdicts: {', '.join(sorted(found)) or 'none'}")

    return Expectation(f"the rule '{rule}' has seen what happens at {vm}", wrong)


def observed_only(reason: str) -> Expectation:
    """A decision of this reason was made, and all of them did nothing."""

    def wrong(played: Played) -> str | None:
        found = [decision for decision in decisions(played) if reason in decision.reason]
        done = [decision for decision in found if decision.act is not Act.NONE or decision.scope is not Scope.OBSERVE]
        return _unless(bool(found) and not done, f"{len(found)} decisions, of which {len(done)} did something")

    return Expectation(f"{reason} is observed, and nothing comes of it by itself", wrong)


def binds_nothing_alone(by: str) -> Expectation:
    """This person asked that a server stay null-routed, as one of two; nobody agreed, and nothing came of it."""

    def wrong(played: Played) -> str | None:
        said = [str(word.said) for word in played.words if word.by == by]
        upheld = [case for case, path in played.states.items() if "upheld" in path]
        return _unless(said == [Said.VOICE] and not upheld, f"{by}: {', '.join(said) or 'nothing'}; upheld: {upheld}")

    return Expectation(f"{by} alone keeps nothing null-routed", wrong)


def said(*words: tuple[str, Said]) -> Expectation:
    """This is what people and the owner said of null routes, in turn, and nothing else."""

    def wrong(played: Played) -> str | None:
        found = [(word.by, word.said) for word in sorted(played.words, key=lambda word: word.at)]
        return _unless(found == [*words], f"said: {_told(found) or 'nothing'}")

    return Expectation(f"said is: {_told(words)}", wrong)


def _told(words: Iterable[tuple[str, Said]]) -> str:
    return ", ".join(f"{said} ({by})" for by, said in words)


# ---- who is told ----------------------------------------------------------------------------------------


def told_in_time() -> Expectation:
    """Each owner has the mail of each null route within a minute."""

    def wrong(played: Played) -> str | None:
        late = [route for route in null_routes(played) if (notice_after(played, route) or 10**18) > NOTICE_S * SECOND]
        return _unless(not late, f"{len(late)} null routes without a mail within {NOTICE_S} s")

    return Expectation(f"every null route's mail is with its owner within {NOTICE_S} s", wrong)


def notice_after(played: Played, route: NullRoute) -> int | None:
    """ns from a null route to the next mail of its case to an owner."""
    case = route.decision.case
    about = [
        mail for mail in played.mails if dict(mail.headers).get("X-EdgeGuard-Case") == case and DESK not in mail.to
    ]
    mails = (mail for mail in about if mail.at >= route.decision.at)
    return next((mail.at - route.decision.at for mail in mails), None)


def mail_says(to: str, *phrases: str) -> Expectation:
    """One mail to this address has all of these in it."""

    def wrong(played: Played) -> str | None:
        texts = [" ".join(mail.text.split()) for mail in mails_to(played, to)]
        missing = min(([p for p in phrases if p not in text] for text in texts), key=len, default=list(phrases))
        return _unless(not missing, f"{len(texts)} mails, none with {missing}")

    return Expectation(f"a mail to {to} says {', '.join(map(repr, phrases))}", wrong)


def one_thread(address: str) -> Expectation:
    """All mails to this address but answers to its own hang below the first."""

    def wrong(played: Played) -> str | None:
        mails = [dict(mail.headers) for mail in mails_to(played, address)]
        ours = [headers for headers in mails if not headers.get("In-Reply-To", "").startswith("<answer-")]
        loose = [h for h in ours[1:] if h.get("References", "").split()[:1] != [ours[0]["Message-ID"]]]
        return _unless(len(ours) > 1 and not loose, f"{len(ours)} mails, of which {len(loose)} stand outside")

    return Expectation(f"all mails to {address} are one thread", wrong)


def no_mail(*addresses: str) -> Expectation:
    """These people are not written to."""

    def wrong(played: Played) -> str | None:
        found = Counter(address for address in addresses for _ in mails_to(played, address))
        return _unless(not found, f"mails: {dict(found)}")

    return Expectation(f"nobody writes to {_few(addresses)}", wrong)


def paged(cause: str, times: int) -> Expectation:
    """So many pages in all, every one for this cause."""

    def wrong(played: Played) -> str | None:
        every, found = pages(played), pages(played, cause)
        subjects = "; ".join(mail.subject for mail in every)
        return _unless(len(every) == len(found) == times, f"{len(every)} pages: {subjects or 'none'}")

    if not times:
        return Expectation("nobody is woken", wrong)
    return Expectation(f"{times} page{'s' if times > 1 else ''} ({cause}), and no other", wrong)


def spaced(since: int, apart: int) -> Expectation:
    """From the so-manieth null route on they are so far apart."""

    def wrong(played: Played) -> str | None:
        at = sorted(route.decision.at for route in null_routes(played))
        gaps = [later - before for before, later in zip(at[since - 2 :], at[since - 1 :], strict=False)]
        return _unless(bool(gaps) and min(gaps) >= apart, f"gaps of {[gap / SECOND for gap in gaps]} s")

    return Expectation(f"from number {since} on null routes are {units.duration_text(apart)} apart at least", wrong)


def never_said(*words: str) -> Expectation:
    """No mail to an owner has any of these, in whatever case."""

    def wrong(played: Played) -> str | None:
        texts = [f"{mail.subject} {' '.join(mail.text.split())}" for mail in played.mails if DESK not in mail.to]
        found = [word for text in texts for word in words if word.lower() in text.lower()]
        return _unless(bool(texts) and not found, f"{len(texts)} mails; said: {found}")

    return Expectation(f"no owner reads {', '.join(map(repr, words))}", wrong)


def claim_is(field: str, answer: Answer, why: str = "") -> Expectation:
    """A part of the claim gets this answer."""

    def wrong(played: Played) -> str | None:
        found = [one for one in played.claims if one.field == field]
        good = any(one.answer is answer and why in one.why for one in found)
        return _unless(good, "; ".join(f"{one.said}: {one.answer}, {one.why}" for one in found) or "not checked")

    return Expectation(f"the claim's {field} is {answer}{f': {why}' if why else ''}", wrong)


def _unless(good: bool, told: str) -> str | None:
    return None if good else told


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed) if len(listed) < 4 else f"{listed[0]} to {listed[-1]}"
