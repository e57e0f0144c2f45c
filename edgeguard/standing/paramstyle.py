"""How a driver's query has its parameter: PEP 249 knows five ways, and the module says which one is its own."""

from __future__ import annotations

from collections.abc import Callable

from edgeguard.config.query import PARAMETER, parts

Bound = tuple[str, object]  # what execute() is given: the query, and a table or a tuple of values


def named(query: str, customer: str) -> Bound:
    return f":{PARAMETER}".join(parts(query)), {PARAMETER: customer}


def pyformat(query: str, customer: str) -> Bound:
    return f"%({PARAMETER})s".join(_doubled(query)), {PARAMETER: customer}


def each(sign: str, pieces: list[str], customer: str) -> Bound:
    """A value for each place."""
    return sign.join(pieces), (customer,) * (len(pieces) - 1)


def _doubled(query: str) -> list[str]:
    """A percent sign of the query's own is written twice."""
    return [piece.replace("%", "%%") for piece in parts(query)]


STYLES: dict[str, Callable[[str, str], Bound]] = {
    "named": named,
    "pyformat": pyformat,
    "format": lambda query, customer: each("%s", _doubled(query), customer),
    "qmark": lambda query, customer: each("?", parts(query), customer),
    "numeric": lambda query, customer: (":1".join(parts(query)), (customer,)),
}
