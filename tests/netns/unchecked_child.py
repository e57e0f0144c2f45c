"""The enforcing child without a check of its orders, for tests; the product has no such program."""

import sys

from edgeguard.enforcement import child

if __name__ == "__main__":
    sys.exit(child.main(*sys.argv[1:], lambda: lambda order: None))
