"""What a unit of packaging/systemd allows, put on a program without systemd: calls, sockets, memory, rights.

    python tests/netns/unit.py UNIT PROGRAM ARGUMENT...

Capabilities, calls (as systemd itself lists them), families and MemoryDenyWriteExecute are as in the unit; its user
and its view of the file system are not.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
from collections import defaultdict
from errno import EAFNOSUPPORT, EPERM
from pathlib import Path

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, FILTER = 22, 38, 65, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K
NUMBER, FIRST_ARGUMENT = 0, 16  # in struct seccomp_data


def settings(unit: str) -> dict[str, list[str]]:
    """Every word of every setting, in order."""
    found = defaultdict(list)
    for line in (UNITS / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name] += [f"{'~' * value.startswith('~')}{word.lstrip('~')}" for word in value.split()]
    return dict(found)


def missing() -> str | None:
    """Why a unit cannot be put on here, or None."""
    tools = [tool for tool in ("systemd-analyze", "setpriv") if not shutil.which(tool)]
    if tools:
        return f"needs {' and '.join(tools)}"
    return None if _numbers() else "needs the kernel's header of system call numbers"


def command(unit: str, *program: str) -> list[str]:
    """The program with the unit's capabilities and limits; call it as root."""
    names = settings(unit)["CapabilityBoundingSet"]
    held = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in names)])
    rights = [f"--bounding-set={held}", f"--inh-caps={held}", "--no-new-privs"]
    return ["setpriv", *rights, sys.executable, __file__, unit, *program]


def _numbers() -> dict[str, int]:
    machine = os.uname().machine
    headers = [*Path("/usr/include").glob(f"{machine}-*/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")]
    header = next((path for path in headers if path.exists()), None)
    found = re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()) if header else []
    return {name: int(number) for name, number in found}


def _sets() -> dict[str, list[str]]:
    """systemd's named sets of calls."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    sets: dict[str, list[str]] = {}
    for line in listed.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.split()[0], [])
        elif line.startswith(" ") and not line.strip().startswith("#"):
            members.append(line.strip())
        elif line.startswith("#"):
            break  # calls that are in no set
    return sets


def allowed(unit: str) -> set[str]:
    """The names of the calls that the unit allows, as systemd.exec(5) reads its lines."""
    sets = _sets()

    def names(word: str) -> set[str]:
        return set().union(*map(names, sets[word])) if word.startswith("@") else {word}

    found = names("@default")
    for word in settings(unit)["SystemCallFilter"]:
        found = found - names(word[1:]) if word.startswith("~") else found | names(word)
    return found


def program(unit: str) -> bytes:
    """The filter, as instructions of BPF."""
    numbers = _numbers()
    family = [FAMILIES[name] for name in settings(unit)["RestrictAddressFamilies"]]
    steps = [(LOAD, 0, 0, NUMBER), (EQUAL, 0, 2 + 2 * len(family), numbers["socket"]), (LOAD, 0, 0, FIRST_ARGUMENT)]
    for one in family:
        steps += [(EQUAL, 0, 1, one), (ANSWER, 0, 0, ALLOW)]
    steps += [(ANSWER, 0, 0, REFUSE | EAFNOSUPPORT)]
    for name in sorted(allowed(unit) & numbers.keys()):
        steps += [(EQUAL, 0, 1, numbers[name]), (ANSWER, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in [*steps, (ANSWER, 0, 0, REFUSE | EPERM)])


def main(unit: str, *words: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(unit)
    held = ctypes.create_string_buffer(code)
    loaded = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    if settings(unit)["MemoryDenyWriteExecute"] == ["yes"]:
        libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)  # refused by a kernel before 6.3, where systemd has another way
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER, loaded, 0, 0):
        raise OSError(ctypes.get_errno(), "the unit's filter is refused")
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(*sys.argv[1:])
