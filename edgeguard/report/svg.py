"""Elements of HTML and SVG as text: every attribute and every text is escaped here and nowhere else."""

from __future__ import annotations

import html
from collections.abc import Iterable

from edgeguard.glance.words import told


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """`class_` is class, `text_anchor` is text-anchor; an attribute of None is left out."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(told(_figure(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{pairs}>{joined(inside)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else html.escape(told(part)) for part in parts))


def picture(width: float, height: float, name: str, inside: Iterable[object]) -> Markup:
    """It scales with the page. `name`: what those hear who do not see it."""
    return element(
        "svg",
        element("title", name),
        *inside,
        viewBox=f"0 0 {_figure(width)} {_figure(height)}",
        role="img",
        aria_label=name,
    )


def rectangle(x: float, y: float, width: float, height: float, class_: str, tip: str = "") -> Markup:
    inside = (element("title", tip),) if tip else ()
    return element("rect", *inside, x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def label(x: float, y: float, text: object, anchor: str = "start") -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor)


def _figure(value: object) -> str:
    """A tenth of a unit is finer than any screen."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
