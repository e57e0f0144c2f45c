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
    return typing.cast(T, _value(kind, json.loads(text)))


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


@functools.cache
def _fields(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _value(kind: Any, plain: Any) -> Any:
    """`plain` read as `kind`: a class, an Optional, a tuple, or a union of addresses or networks."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(typing.get_args(kind), plain)
    if origin is tuple:
        return _tuple(typing.get_args(kind), plain)
    if kind is Any or origin is dict:
        return plain
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), plain)
    if kind in _ADDRESSES or kind in _NETWORKS or (isinstance(kind, type) and issubclass(kind, Enum)):
        return kind(plain)
    return _scalar(kind, plain)


def _one_of(kinds: tuple[Any, ...], plain: Any) -> Any:
    rest = [kind for kind in kinds if kind is not types.NoneType]
    if plain is None and len(rest) < len(kinds):
        return None
    if _ADDRESSES.issuperset(rest):
        return ipaddress.ip_address(plain)
    if _NETWORKS.issuperset(rest):
        return ipaddress.ip_network(plain)
    if len(rest) != 1:
        raise TypeError(f"cannot tell which of {kinds} a value is")
    return _value(rest[0], plain)


def _tuple(kinds: tuple[Any, ...], plain: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_value(kinds[0], item) for item in plain)
    return tuple(_value(kind, item) for kind, item in zip(kinds, plain, strict=True))


def _dataclass(kind: type, plain: dict[str, Any]) -> Any:
    fields = _fields(kind)
    if unknown := plain.keys() - fields.keys():
        raise ValueError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
    return kind(**{name: _value(fields[name], item) for name, item in plain.items()})


def _scalar(kind: Any, plain: Any) -> Any:
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if type(plain) is not kind:
        raise TypeError(f"{plain!r} is not {kind.__name__}")
    return plain


def text(text: str | None) -> str | None:
    """Names come from files and kernels; what is no valid text is written with its escapes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
