"""The command `edgeguard`, also `python -m edgeguard`."""

import sys

from edgeguard.glance.command import answered


def main() -> None:
    """`status` and `top` are answered without loading the rest."""
    code = answered(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    from edgeguard.cli import main as commands  # noqa: PLC0415

    commands(prog_name="edgeguard")


if __name__ == "__main__":
    main()
