"""Savefiles as a capture: pcap and pcapng, mapped, gzipped ones unpacked first.

The records carry the file's own time. What is wrong with a file (cut off, corrupt, a clock that
cannot be, link types that are not decoded) never stops what can still be read: it is counted while
reading and told by findings().
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from edgeguard.capture.mapped import WANTED, mapped
from edgeguard.capture.points import Points
from edgeguard.errors import SavefileError
from edgeguard.native import Savefile, Stamps, Totals, Twins
from edgeguard.reading import Health
from edgeguard.record import RECORD, Records, aligned

MANY = 0.05  # a larger share of frames that came twice is told
FEW_LOOKED = 50  # of one frame in 256

# LINKTYPE_ numbers of tcpdump.org/linktypes.html that are met and not decoded
_LINK_NAMES = {
    6: "Token Ring",
    9: "PPP",
    10: "FDDI",
    50: "PPP in HDLC framing",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    107: "Frame Relay",
    127: "IEEE 802.11 with radiotap",
    187: "Bluetooth HCI",
    189: "USB",
    192: "Per-Packet Information",
    195: "IEEE 802.15.4",
    220: "USB",
    239: "NFLOG",
    249: "USBPcap",
}


class SavefileCapture:
    """One savefile, read once from beginning to end."""

    def __init__(self, path: Path, points: Points | None, room: int = 65536) -> None:
        """With `points` (by MAC) records say which VM a frame left and entered. `room`: rows a read.

        SavefileError: nothing can be read from it.
        """
        self.path = path
        self._points = points
        self._rows: Records = aligned(room, RECORD)
        self._totals, self._twins = Totals(), Twins()
        self._mapped = mapped(path)
        self.size = len(self._mapped.bytes)  # bytes, unpacked
        try:
            self._file = Savefile(self._mapped.bytes)
            self._file.watch(self._twins)
        except SavefileError as error:
            self._mapped.bytes.close()
            raise SavefileError(f"{path}: cannot be read as a savefile: {error}; {WANTED}") from None

    # ---- a capture ----

    def read(self, timeout_s: float = 0.0) -> Records:
        """The next records, a view valid until the next read; empty at the end. Never waits."""
        points = self._points.table if self._points is not None else None
        return self._rows[: self._file.read(points, self._rows, self._totals)]

    def totals(self) -> dict[str, int]:
        return self._totals.by_name()

    def health(self) -> Health:
        """Nothing is ever lost from a file; what is cut off it never held."""
        looked, twice = self._twins.totals()
        return Health(received=self._totals.by_name()["frames"], looked=looked, twice=twice)

    def close(self) -> None:
        """The last view becomes stale, not dangling: rows are the capture's own memory."""
        self._file.close()
        self._mapped.bytes.close()

    def __enter__(self) -> SavefileCapture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # ---- what has been found so far ----

    @property
    def done(self) -> int:
        """Bytes of `size` that have been read: for a progress bar."""
        return self._file.at()

    @property
    def truncated(self) -> bool:
        """The file ends inside a record, or inside its compression."""
        return self._file.cut() is not None or bool(self._mapped.damage)

    @property
    def corrupt(self) -> bool:
        """Reading stopped at something that cannot be; what follows is unknown."""
        return self._file.stop() is not None

    @property
    def first_ts(self) -> int | None:
        """The smallest stamp, ns since 1970."""
        return self._file.stamps().first

    @property
    def last_ts(self) -> int | None:
        """The largest stamp, ns since 1970."""
        return self._file.stamps().last

    @property
    def steps_back(self) -> int:
        """How often a stamp was before the one it followed."""
        return self._file.stamps().backwards

    def findings(self) -> list[str]:
        """What the operator should know of this file, one sentence each. Complete after the last read."""
        totals = self._totals.by_name()
        frames = totals["frames"]
        said = self._ending(frames) + self._links(totals["other_link"], frames)
        return said + self._copies() + _clock(self._file.stamps(), frames)

    def _copies(self) -> list[str]:
        share = self.duplicates()
        if share <= MANY:
            return []
        told = f"{100 * share:.0f} % of the frames came twice within milliseconds"
        return [f"{told}, as where a tap and its bridge are both mirrored: counts are too high"]

    def duplicates(self) -> float:
        """Share of the frames so far that are copies of one just before; 0 where too few were looked at to say."""
        looked, twice = self._twins.totals()
        return twice / looked if looked >= FEW_LOOKED else 0.0

    def _ending(self, frames: int) -> list[str]:
        said = [f"{self._mapped.damage}; what came before was read"] if self._mapped.damage else []
        if stop := self._file.stop():
            said.append(f"corrupt at byte {stop.at} of {self.size}: {stop.why}; before it: {_count(frames, 'frame')}")
        elif cut := self._file.cut():
            said.append(f"cut off: the record at byte {cut.at} is not whole; before it: {_count(frames, 'frame')}")
        return said

    def _links(self, other: int, frames: int) -> list[str]:
        if not other:
            return []
        names = ", ".join(_link_name(number) for number in self._file.other_links())
        return [f"{other} of {_count(frames, 'frame')} not decoded, by link type: {names}"]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _link_name(number: int | None) -> str:
    if number is None:
        return "an interface the file never describes"
    return f"{_LINK_NAMES[number]} ({number})" if number in _LINK_NAMES else f"number {number}"


def _clock(stamps: Stamps, frames: int) -> list[str]:
    """What is odd about the clock. Single equal stamps are not: microseconds are coarse in a flood."""
    said = []
    if stamps.backwards:
        said.append(f"the clock steps back {_count(stamps.backwards, 'time')}")
    if frames > 1 and stamps.equal == frames - 1:
        said.append(f"all {frames} frames carry the same time stamp")
    elif frames > 1 and stamps.whole_second == frames:
        said.append(f"all {frames} time stamps are whole seconds")
    if stamps.bad_fraction:
        said.append(f"{_count(stamps.bad_fraction, 'time stamp')} with a fraction of a second or more, which was added")
    if stamps.none:
        said.append(f"{_count(stamps.none, 'frame')} without a usable time stamp, given that of the frame before")
    return said
