"""What the rest of the daemon asks of its counters: of `window.Counting`, or of several, `shards.Shards`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from edgeguard.counting.customers import Customers
from edgeguard.counting.readings import Ratios
from edgeguard.counting.state import Array
from edgeguard.model import Network, Subject
from edgeguard.reading import Reading
from edgeguard.record import Records

if TYPE_CHECKING:  # its kernels are compiled only where it is used
    from edgeguard.counting.flow_memory import Heavy


class Remote(Protocol):
    """Remote addresses and prefixes above a limit, as `flow_memory.FlowMemory` has them."""

    @property
    def effective(self) -> dict[str, int]:
        """The limits in force, by class."""

    @property
    def capacity(self) -> int: ...

    @property
    def used(self) -> int: ...

    @property
    def admitted(self) -> int: ...

    @property
    def refused(self) -> int: ...

    @property
    def memory(self) -> int: ...

    def heavy(self, name: str, at_most: int, most: int | None = None) -> list[Heavy]:
        """The keys whose upper bound in the last second reaches `at_most` packets of a class, largest first; the
        `most` largest of them, of each memory where there are several."""


class Counted(Protocol):
    """Rows of exact counters and sliding windows; `window.Counting` says what each method does."""

    ratios: Ratios  # what counts as answered, from the next look on

    @property
    def remote(self) -> Remote | None: ...

    @property
    def customers(self) -> Customers: ...

    def limits(self, loud: Mapping[str, int], hard: Mapping[str, int]) -> None: ...

    def limit(self, point: int, loud: Mapping[str, int], hard: Mapping[str, int]) -> None: ...

    def assign(self, point: int, subject: Subject, addresses: Iterable[Network]) -> None: ...

    def never_judge(self, point: int) -> None: ...

    def own(self, point: int, addresses: Iterable[Network]) -> None: ...

    def subject(self, point: int) -> Subject: ...

    def add(self, records: Records, start: int) -> int: ...

    def tick(self, at: int) -> None: ...

    def turn_back(self, at: int) -> None: ...

    @property
    def slot_end(self) -> int: ...

    @property
    def grid_end(self) -> int: ...

    @property
    def crossed(self) -> bool: ...

    @property
    def late(self) -> int: ...

    @property
    def untabled(self) -> int: ...

    @property
    def memory(self) -> int: ...

    def watch(self, wanted: bool) -> None: ...

    def hot(self) -> list[int]: ...

    def crossing(self) -> list[int]: ...

    def completions(self, point: int) -> tuple[int, int]: ...

    def cool(self, point: int) -> None: ...

    def leaving(self, point: int, rule: str) -> int: ...

    def rearm(self, point: int, rule: str, level: int) -> None: ...

    def frames(self, point: int) -> tuple[int, int]: ...

    def reading(self, point: int, at: int) -> Reading: ...

    def windows(self, points: Array, at: int) -> Array: ...

    def one_way(self, point: int, at: int) -> tuple[int, int]: ...

    def half_open(self, point: int, at: int) -> tuple[int, int]: ...

    def within(self, point: int, rule: str, seconds: int) -> int: ...
