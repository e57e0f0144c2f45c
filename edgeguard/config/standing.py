"""[standing]: who says which customers are in good standing, and how much longer automation waits for those."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edgeguard.config.fields import Bits, Duration, Line, Section, Url
from edgeguard.config.place import Place, holds_secret
from edgeguard.config.query import check, check_for_driver

CUSTOMER = "{customer}"  # stands for the customer in a URL

LONGEST_WAIT = 30_000_000_000  # ns: customers are asked for one after the other
LONGEST_PATIENCE = 600_000_000_000
LONGEST_PATIENCE_HARD = 5_000_000_000  # a flood that everybody pays for
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,4}", re.ASCII)


def _module(value: str) -> str:
    if value and (not _MODULE.fullmatch(value) or len(value) > 100):
        raise ValueError(f"{value!r} is no name of a Python module, like 'psycopg' or 'mysql.connector'")
    return value


class StandingSettings(Section):
    """Who is asked: a file, a query or a URL, one of the three; none: nobody, and every customer is unknown."""

    file: str
    database: Place
    driver: Annotated[str, AfterValidator(_module)]
    password_file: Line
    query: Annotated[str, Field(max_length=4096)]
    url: Url
    method: Literal["GET", "POST"]
    token_file: Line
    timeout: Duration
    keep: Duration
    age: Duration
    patience: Duration
    patience_fast: Duration
    fast_bits: Bits
    patience_hard: Duration

    @property
    def is_asked(self) -> bool:
        return bool(self.file or self.database or self.url)

    @model_validator(mode="after")
    def _one_provider(self) -> StandingSettings:
        if sum(map(bool, (self.file, self.database, self.url))) > 1:
            raise ValueError("name a file, a database or a url, one of the three")
        if bool(self.database) != bool(self.query):
            raise ValueError("database and query belong together: name both or none")
        if self.query:
            (check_for_driver if self.driver else check)(self.query)
        if self.url and (CUSTOMER in self.url) != (self.method == "GET"):
            raise ValueError("url: a GET has {customer} in its url, a POST has not: its document names the customer")
        if self.token_file and not self.url:
            raise ValueError("token_file is sent to `url`, which is empty")
        return self

    @model_validator(mode="after")
    def _one_database(self) -> StandingSettings:
        if self.driver and not self.database:
            raise ValueError("driver: name the database that it connects to; without one there is nothing to ask")
        if not self.driver and isinstance(self.database, dict):
            raise ValueError("database: a table of parameters is for a `driver`, which is empty")
        if self.password_file and not self.driver:
            raise ValueError("password_file is for a `driver`, which is empty")
        if self.driver and holds_secret(self.database):
            raise ValueError("database: holds a password; write it into a file and name that in `password_file`")
        return self

    @model_validator(mode="after")
    def _possible(self) -> StandingSettings:
        if self.timeout > LONGEST_WAIT:
            raise ValueError("timeout: 30s at most, as one customer is asked for after the other")
        if self.patience > LONGEST_PATIENCE:
            raise ValueError("patience: 10m at most; what floods for longer is null-routed, whoever it is")
        if self.patience_fast > self.patience:
            raise ValueError("patience_fast: no longer than patience, as it is for worse floods")
        if self.patience_hard > LONGEST_PATIENCE_HARD:
            raise ValueError("patience_hard: 5s at most; the network pays for a hard flood")
        return self
