"""What a decision is asked about: the verdict and everything the safeties may look at.

Gathered by the engine before the decision, so that deciding reads nothing by itself and any
decision can be replayed from this value.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.config import Config
from edgeguard.context import Context
from edgeguard.decision.recent import NOTHING, Recent
from edgeguard.decision.writing import Writing
from edgeguard.grace import Exemption
from edgeguard.model import Decision, Tap, Target, Verdict, Vm
from edgeguard.reading import Circumstances

NOTHING_SPECIAL = Circumstances()
NOTHING_KNOWN = Context()
ALL_WRITTEN = Writing()


@dataclass(frozen=True, slots=True)
class KernelCount:
    """Frames out of the tap over the same span: ours, and the kernel's own counter."""

    ours: int
    kernel: int


@dataclass(frozen=True, slots=True)
class Window:
    """How far the window can be trusted: shares and ages over its last second."""

    lost: int
    received: int
    lag_ns: int
    stepped: bool
    duplicates: float = 0.0  # share of the frames that came twice
    sampling: int = 1  # every count was multiplied by this: one frame of so many is captured
    carried: float | None = None  # of the frames that the taps' kernel counters saw; None: not known

    @property
    def loss(self) -> float:
        offered = self.received + self.lost
        return self.lost / offered if offered else 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """A verdict and its circumstances."""

    verdict: Verdict
    case: str
    config: Config
    vm: Vm | None
    tap: Tap | None
    window: Window | None  # None: a savefile, which loses nothing while it is read
    kernel: KernelCount | None
    replayed: bool  # in a file's time: nothing is enforced, and no kernel can be asked
    null_routed: tuple[Target, ...]  # of this case within clocks.moves, ended or not
    standing: tuple[Target, ...]  # of this attachment point now
    full: bool  # this tap is null-routed as a whole already
    own_only: bool = False  # its forged packets are dropped already
    unstopped: bool = False  # it is null-routed, was put again, and its flood goes on all the same
    released: tuple[Decision, ...] = ()  # by people, of this VM, within clocks.probation
    against: frozenset[str] = frozenset()  # ids of those that automation went against
    exemptions: tuple[Exemption, ...] = ()  # of this VM
    repeat: int = 1  # the how-manieth null-routed case of this VM within clocks.repeat this would be
    warned: bool = False  # its owner has a warning of this episode for the same, in a lower band
    around: Circumstances = NOTHING_SPECIAL  # of the host: harm, and why what came back is not known
    killed: str | None = None  # the kill file is there, in words; None: it is not
    customers: int = 0  # that have a VM on this host
    standing_taps: int = 0  # of this host, that are null-routed now
    recent: Recent = NOTHING  # what automation did lately on this host
    context: Context = NOTHING_KNOWN  # of the customer: what a provider says of it, and a counted prior
    permit: bool | None = None  # whether the fleet allows it; None: it does not say
    writing: Writing = ALL_WRITTEN  # whether mails can be written
