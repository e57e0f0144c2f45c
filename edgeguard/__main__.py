"""`python -m edgeguard` is the command `edgeguard`."""

from edgeguard.cli import main

if __name__ == "__main__":
    main(prog_name="edgeguard")
