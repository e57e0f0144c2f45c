"""Whether mails can be written, for the safety that null-routes nothing whose owner could not be told.

A lint reads every text with its slot values masked, so what it finds does not depend on whom a mail is about: it is run
when texts are read, at the start and at each reload, and no name of a VM can make it fail.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Writing:
    """How the texts of mails fared in their lint, in words; empty: nothing was found.

    `replaced`: what is told with another text. `lost`: what not even the built-in text is fit for.
    """

    replaced: str = ""
    lost: str = ""
