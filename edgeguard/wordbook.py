"""The operator's own texts while the daemon runs: read at the start and at each reload, beside its loop.

    wordbook = Wordbook(store, outbox, host, wake, fared)
    wordbook.read(config)               # before the loop
    wordbook.read_beside(config)        # a reload: linting takes a second or two

What is refused is told to the log and, once, to the desk; the shipped text is used for it.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgeguard import clock
from edgeguard.cases.protocol import CaseStore
from edgeguard.config import Config
from edgeguard.decision.writing import Writing
from edgeguard.errors import StoreError
from edgeguard.evidence.place import Place
from edgeguard.handing import proofs
from edgeguard.hooks.message import to_desk
from edgeguard.model import identity
from edgeguard.notice import lint
from edgeguard.notice.adopted import Adopted, adopt
from edgeguard.notice.message import write
from edgeguard.notice.outbox import Outbox, Writer
from edgeguard.notice.wording import Texts

log = logging.getLogger("edgeguard")


class Wordbook:
    """One per daemon."""

    def __init__(
        self, store: CaseStore, outbox: Outbox, host: str, wake: Callable[[], None], fared: Callable[[Writing], None]
    ) -> None:
        """`wake`: deliveries may be due. `fared`: takes what decisions have to know of the texts."""
        self._store, self._outbox, self._host, self._wake, self._fared = store, outbox, host, wake, fared
        self._shipped = lint.Start((), (), frozenset())

    def read(self, config: Config) -> None:
        """The texts as they are on the disk now are those of the next mail."""
        self._shipped = lint.at_start()  # a test holds that nothing is found: an installation may be damaged
        self._take(config, adopt(config.notice.texts))

    def read_beside(self, config: Config) -> None:
        """As `read`, in a thread of its own: the loop goes on."""
        threading.Thread(target=self._guarded, args=(config,), name="texts", daemon=True).start()

    def _guarded(self, config: Config) -> None:
        try:
            self._take(config, adopt(config.notice.texts))
        except Exception:
            log.exception("[notice] texts cannot be read anew; the former ones stand")

    def _take(self, config: Config, adopted: Adopted) -> None:
        self._outbox.write_with(writing(config, replace(adopted.texts, plain=self._shipped.unfit)))
        self._fared(writable(self._shipped, adopted.findings))
        findings = (*self._shipped.texts, *self._shipped.built_in, *adopted.findings)
        for finding in findings:
            log.warning("notice texts: %s", finding)
        if findings:
            self._tell(findings)

    def _tell(self, findings: tuple[str, ...]) -> None:
        """The delivery's id is that of the findings: the same ones are told once, whoever restarts."""
        told = "".join(f"  {finding}\n" for finding in findings)
        text = (
            f"Texts of mails were refused; every mail leaves all the same, in another text:\n\n{told}\n"
            "Correct them, look at one with 'edgeguard notice preview sample KIND', then reload the daemon.\n"
        )
        subject = f"[EdgeGuard] {self._host}: {len(findings)} of its own notice texts refused"
        try:
            self._store.deliver([to_desk(identity("desk", "texts", *findings), None, subject, text, clock.now())])
        except StoreError as error:
            log.error("the desk is not told of refused texts: %s", error)
            return
        self._wake()


def writable(shipped: lint.Start, refused: Sequence[str]) -> Writing:
    """What decisions have to know. refused: findings of the operator's own texts, for which the shipped ones stand."""
    if shipped.texts and shipped.built_in:
        return Writing(lost=f"{shipped.texts[0]}; {shipped.built_in[0]}; install EdgeGuard anew")
    if shipped.texts:
        return Writing(replaced=f"{len(shipped.unfit)} texts as they ship fail their lint: the built-in one is used")
    if refused:
        return Writing(replaced=f"{len(refused)} findings in [notice] texts: the shipped ones are used instead")
    return Writing()


def writing(config: Config, texts: Texts) -> Writer:
    """Mails in these texts, with what their decisions rest on."""
    return functools.partial(write, texts=texts, evidence=functools.partial(proofs, Place(config.paths.bundles)))
