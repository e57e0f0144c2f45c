"""What one VM is used to in one rule, with its words."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.reading import INTO, OUT

RULES = (*OUT, *INTO)
SHARE = 0.95
DAYS = 7
MINUTES_A_DAY = 1_440
ENOUGH = 360  # minutes learned: with fewer, nothing is compared
TIMES = 5  # a window of more than so many times the P95 deserves care (Cloudflare's burst factor)
FLOOR = 4  # and of more than this part of warn, whatever the P95: nobody looks at less


@dataclass(frozen=True, slots=True)
class Baseline:
    """P95 of the largest whole second of each minute, packets; `minutes` of them were learned."""

    vm: str
    rule: str
    p95: int
    minutes: int
    days: int  # on which any was

    @property
    def enough(self) -> bool:
        return self.minutes >= ENOUGH

    def span(self) -> str:
        """'6 days', '7 hours', '12 minutes': over which it was learned."""
        hours = self.minutes // 60
        number, unit = (self.days, "day") if hours >= 24 else (hours, "hour") if hours else (self.minutes, "minute")
        return f"{number} {unit}{'' if number == 1 else 's'}"

    def compared(self, packets: int) -> str | None:
        """'31 times its P95 of 900 a second over 6 days'; None where too little was learned."""
        if not self.enough:
            return None
        usual = f"its P95 of {self.p95:,} a second over {self.span()}"
        if not self.p95:
            return f"it is used to none: {usual}"
        times = packets / self.p95
        return f"{times:,.0f} times {usual}" if times >= 10 else f"{times:,.1f} times {usual}"


def care(p95: int, warn: int) -> int:
    """Packets a second above which a VM that is used to `p95` deserves care. Half of warn on it is judged anyway."""
    return max(warn // FLOOR, TIMES * p95)


@dataclass(frozen=True, slots=True)
class Finding:
    """A VM far above what it is used to and below warn: observed. Nobody is written to and nothing is done."""

    vm: str
    rule: str
    since: int
    packets: int  # of its largest second
    above: int  # of the seconds looked at, so many were above `care`
    care: int
    why: str

    def __str__(self) -> str:
        return f"VM {self.vm}: {self.rule}: {self.packets:,} packets a second, {self.why}; watched, nothing is done"
