"""What the lab says when the kernel forbids namespaces, and what it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.lab import namespace


@pytest.mark.parametrize(
    ("file", "value", "named"),
    [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone = 0"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces = 0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns = 1"),
    ],
)
def test_the_sysctl_that_forbids_is_named(tmp_path: Path, file: str, value: str, named: str) -> None:
    """One line names the sysctl as an operator writes it."""
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(value + "\n")
    assert namespace.forbidding(tmp_path) == [named]
    assert named in str(namespace._refused(PermissionError(1, "Operation not permitted"), tmp_path))


def test_permitting_sysctls_are_not_blamed(tmp_path: Path) -> None:
    """Where the sysctls permit it, the sentence looks for the cause elsewhere."""
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "max_user_namespaces").write_text("96365\n")
    assert namespace.forbidding(tmp_path) == []
    assert "container" in str(namespace._refused(PermissionError(1, "Operation not permitted"), tmp_path))
