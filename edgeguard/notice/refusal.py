"""Why a mail did not leave."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818, the field's word: no error of ours, a server's answer
    """One sentence. permanent: trying again is of no use; everyone: it concerns every mail, not this one."""

    def __init__(self, sentence: str, permanent: bool = False, everyone: bool = False) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.everyone = everyone
