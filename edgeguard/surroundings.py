"""What the engine asks of, and tells to, the world around packet time: live, replayed, or made up by a bench."""

from __future__ import annotations

from typing import Protocol

from edgeguard.cases.case import Case
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.model import Decision, Order, Tap, Verdict, Vm
from edgeguard.reading import Circumstances


class Surroundings(Protocol):
    """One per engine."""

    replayed: bool

    def vm(self, point: int) -> Vm | None:
        """Who is behind an attachment point, by the inventory."""

    def tap(self, point: int) -> Tap | None:
        """The attachment point itself, where there is one."""

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        """The VM's attachment points on this host."""

    def window(self) -> Window | None:
        """How far the last second can be trusted."""

    def kernel_count(self, point: int) -> KernelCount | None:
        """Frames out of the tap, ours and the kernel's, over the same span."""

    def circumstances(self, point: int) -> Circumstances:
        """How others on the host fare, and whether what comes back can be believed."""

    def killed(self) -> str | None:
        """In words, that the kill file is there; None: it is not."""

    def customers(self) -> int:
        """How many customers have a VM on this host."""

    def permit(self) -> bool | None:
        """Whether the fleet allows a null route; None: it does not say."""

    def writing(self) -> Writing:
        """How the texts of mails fared in their lint."""

    def verdict(self, verdict: Verdict) -> None:
        """A rule found something."""

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        """Record a decision and its notices on the disk; only then give its orders. False: neither."""

    def amended(self, decision: Decision, order: Order) -> None:
        """A standing null route is ordered with other addresses of its VM."""

    def page(self, cause: str, case: str, line: str) -> None:
        """Wake a person about a case. cause: one of model.PAGES."""

    def closed(self, case: Case, at: int) -> None:
        """An episode is over and nothing of its case is null-routed."""
