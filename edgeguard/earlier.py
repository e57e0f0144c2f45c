"""What was decided before, as far as the mail about a further decision tells it: in memory, so that nothing waits."""

from __future__ import annotations

from edgeguard.model import Act, Decision


class Earlier:
    """Null routes that stand, for the text of their release; and those of each open case, for what follows them."""

    def __init__(self) -> None:
        self._standing: dict[str, Decision] = {}
        self._of_case: dict[str, list[Decision]] = {}

    def add(self, decision: Decision) -> None:
        for id in decision.releases:
            self._standing.pop(id, None)
        if not decision.enforced or decision.releases:
            return
        self._standing[decision.id] = decision
        if decision.act is Act.NULL_ROUTE and not decision.silent:
            self._of_case.setdefault(decision.case, []).append(decision)

    def ended_by(self, decision: Decision) -> list[Decision]:
        """The null routes that a release ends, as far as they are known."""
        return [self._standing[id] for id in decision.releases if id in self._standing]

    def before(self, decision: Decision) -> list[Decision]:
        """Earlier null routes of the same case, the oldest first; of anything but a null route none."""
        return list(self._of_case.get(decision.case, ())) if decision.act is Act.NULL_ROUTE else []

    def forget(self, case: str) -> None:
        """The case is closed."""
        self._of_case.pop(case, None)
