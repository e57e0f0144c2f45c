"""Values of model.py to JSON text and back, without loss.

    text = dumps(verdict)
    verdict = loads(Verdict, text)

Addresses and networks are their own text, enumerations their value, tuples lists, dataclasses
objects; reading follows the type hints of the class asked for. Unknown fields are an error: a
database of a newer version is refused before anything is read, so none can be there.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import json
import numbers
import types
import typing
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, TypeVar, Union

T = TypeVar("T")

_ADDRESSES = frozenset({IPv4Address, IPv6Address})
_NETWORKS = frozenset({IPv4Network, IPv6Network})


def dumps(value: Any) -> str:
    """`value` as one line of ASCII JSON. TypeError for a type that has no text here."""
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def loads(kind: type[T], text: str) -> T:
    """The value of `kind` in `text`. ValueError or TypeError where the text is not one."""
    return typing.cast(T, _reader(typing.cast(Any, kind))(json.loads(text)))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (IPv4Address, IPv6Address, IPv4Network, IPv6Network)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    return _number(value)


def _number(value: Any) -> Any:
    # numpy's integers and floats count as numbers here and are no int to json.
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _key(key: object) -> str:
    # json would turn 1 into "1" silently, and the way back would not be the same value.
    if not isinstance(key, str):
        raise TypeError(f"{key!r} cannot be a key: only text can")
    return key


Read = Callable[[Any], Any]  # of what json read, the value of one type


@functools.cache
def _reader(kind: Any) -> Read:
    """How a value of `kind` is read: a class, an Optional, a tuple, or a union of addresses or networks."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(typing.get_args(kind))
    if origin is tuple:
        return _tuple(typing.get_args(kind))
    if kind is Any or origin is dict:
        return _as_it_is
    if dataclasses.is_dataclass(kind):
        return functools.partial(_dataclass, typing.cast(type, kind))
    if kind in _ADDRESSES or kind in _NETWORKS or (isinstance(kind, type) and issubclass(kind, Enum)):
        return typing.cast(Read, kind)
    return functools.partial(_scalar, kind)


def _as_it_is(plain: Any) -> Any:
    return plain


def _one_of(kinds: tuple[Any, ...]) -> Read:
    rest = [kind for kind in kinds if kind is not types.NoneType]
    if _ADDRESSES.issuperset(rest):
        read: Read = ipaddress.ip_address
    elif _NETWORKS.issuperset(rest):
        read = ipaddress.ip_network
    elif len(rest) == 1:
        read = _reader(rest[0])
    else:
        raise TypeError(f"cannot tell which of {kinds} a value is")
    return (lambda plain: None if plain is None else read(plain)) if len(rest) < len(kinds) else read


def _tuple(kinds: tuple[Any, ...]) -> Read:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        each = _reader(kinds[0])
        return lambda plain: tuple([each(item) for item in plain])
    reads = [_reader(kind) for kind in kinds]
    return lambda plain: tuple([read(item) for read, item in zip(reads, plain, strict=True)])


@functools.cache
def _fields(kind: type) -> dict[str, Read]:
    hints = typing.get_type_hints(kind)
    return {f.name: _reader(hints[f.name]) for f in dataclasses.fields(kind)}


def _dataclass(kind: type, plain: dict[str, Any]) -> Any:
    fields = _fields(kind)
    if unknown := plain.keys() - fields.keys():
        raise ValueError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
    return kind(**{name: fields[name](item) for name, item in plain.items()})


def _scalar(kind: Any, plain: Any) -> Any:
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if type(plain) is not kind:
        raise TypeError(f"{plain!r} is not {kind.__name__}")
    return plain


def text(text: str | None) -> str | None:
    """Names come from files and kernels; what is no valid text is written with its escapes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
