"""The inventory's file, followed while the daemon runs: read by a thread, for the loop must turn meanwhile.

    following = Following(inventory, live.look_up_again)
    following.look()                  # about once a second, in the daemon's loop
    following.ask()                   # read it, changed or not

Ten thousand VMs take seconds to read and check. What was read is taken in the loop, all at once. The garbage
collector rests meanwhile: it would go through all of them again and again, 0.3 s each time, while nothing else runs.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable

from edgeguard.inventory import FileInventory, Inventory
from edgeguard.inventory.file import Read

SOON_S = 0.02  # a short file is taken in the same look

log = logging.getLogger("edgeguard")


class Following:
    """One per daemon. A fixed inventory is never read again."""

    def __init__(self, inventory: Inventory, taken: Callable[[], None]) -> None:
        """`taken` is called after another one holds."""
        self._inventory, self._taken = inventory, taken
        self._asked = False
        self._reading: threading.Thread | None = None
        self._read: Read | None = None

    def ask(self) -> None:
        """Somebody wants to know: read it at the next look, and say every finding."""
        self._asked = True

    @property
    def busy(self) -> bool:
        """Whether something is to be read, or is being read."""
        return self._asked or self._reading is not None

    def look(self) -> None:
        """Begin to read where it is due, and take what was read."""
        if not isinstance(self._inventory, FileInventory):
            if self._asked:
                log.warning("reload: the inventory stands in the configuration: it is read at the start only")
            self._asked = False
            return
        if self._reading is None and (self._asked or self._inventory.changed()):
            self._reading = threading.Thread(target=self._run, args=(self._inventory,), name="inventory", daemon=True)
            self._reading.start()
        if self._reading is not None:
            self._reading.join(SOON_S)
            if not self._reading.is_alive():
                self._take(self._inventory)

    def _run(self, inventory: FileInventory) -> None:
        gc.disable()
        try:
            self._read = inventory.read()
        except Exception:
            log.exception("the inventory could not be read; the last good one stays in use")
        finally:
            gc.enable()

    def _take(self, inventory: FileInventory) -> None:
        read, asked = self._read, self._asked
        self._reading, self._read, self._asked = None, None, False
        if read is None:
            return
        said = inventory.take(read)
        gc.freeze()  # it stays: no collection has to look at it
        for finding in read.findings if asked else ():
            log.error("reload: inventory: %s", finding)
        if asked and read.findings:
            log.error("reload: the inventory is refused whole; the last good one stays in use")
        else:
            log.warning("%s", said)
        if not read.findings:
            self._taken()
