"""Templates whose loops end: so many turns in all for one mail, or it is an error like any other of a template.

    environment = Environment(loader=..., undefined=...)
    environment.get_template("narrow.txt").render(slots)     # EndlessError after MOST turns

An operator's text is read by `check`, by the daemon's start and by the thread that sends: none of them waits for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

MOST = 10_000  # of all loops of a mail together; what ships takes some dozens
_FILTER = "counted"


class EndlessError(Exception):
    """A text goes round for longer than any mail is."""

    def __init__(self) -> None:
        super().__init__(f"its loops take more than {MOST:,} turns")


class Turns(threading.local):
    """Those that are left to the mail that this thread writes."""

    left = MOST

    def begin(self) -> None:
        self.left = MOST

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        """The same, one after the other."""
        for item in items:
            self.left -= 1
            if self.left < 0:
                raise EndlessError
            yield item


def _range(*bounds: int) -> range:
    """Also where no loop takes it, but a filter that makes a list of it."""
    made = range(*bounds)
    if made and abs((made[-1] - made[0]) // made.step) >= MOST:
        raise EndlessError
    return made


class _Counting(CodeGenerator):
    """Every `for` of a template asks for its turns."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - jinja2's name
        for loop in list(node.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _FILTER, [], [], None, None, lineno=loop.lineno)
        super().visit_Template(node, frame)


class _Template(jinja2.Template):
    def render(self, *args: Any, **kwargs: Any) -> str:
        """Includes are rendered inside of it, with what is left."""
        assert isinstance(self.environment, Environment)
        self.environment.turns.begin()
        return super().render(*args, **kwargs)


class Environment(jinja2.Environment):
    """As jinja2's, but for loops."""

    code_generator_class = _Counting
    template_class = _Template

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.turns = Turns()
        self.filters[_FILTER] = self.turns.counted
        self.globals["range"] = _range
