"""A file that holds a password: read, not shown."""

from __future__ import annotations

from pathlib import Path

from edgeguard.check.finding import Finding, ok, warning, wrong


def password(area: str, path: Path) -> Finding:
    """`area`: the section that names it as `password_file`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return wrong(area, "password_file", f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
    if not text.strip():
        return wrong(area, "password_file", f"{path}: is empty")
    if path.stat().st_mode & 0o077:
        return warning(area, "password_file", f"{path}: others may read it; chmod 600")
    return ok(area, "password_file", f"{path}: read")
