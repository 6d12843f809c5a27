"""The submissions of a board as data for its page."""

from __future__ import annotations

import pydantic

from fflbench.leaderboard.wording import count

_CLOSED = pydantic.ConfigDict(extra="forbid", frozen=True)


class ListedReport(pydantic.BaseModel):
    """One report of verification: how many cells came out how. `key`: the fingerprint of who signed it; empty for nobody."""

    model_config = _CLOSED
    same: int
    close: int
    differs: int
    not_verified: int
    day: str
    machine: str
    key: str = ""


class ListedSubmission(pydantic.BaseModel):
    """One submission. `key` is the fingerprint of the key that signed it, empty for none. Its numbers are the submitter's
    own, but for `verified` cells, which came out the same or close when somebody ran them again; `differing` ones did not.
    Texts are printable, addresses begin with https:// or http://; both still need escaping where they are shown."""

    model_config = _CLOSED
    name: str
    authors: list[str]
    paper: str | None
    code: str | None
    contact: str | None
    file: str
    digest: str
    key: str
    records: int
    tasks: list[str]
    defenses: list[str]
    verified: int = 0
    differing: int = 0
    reports: list[ListedReport] = []

    @property
    def standing(self) -> str:
        """In words, for a table: `5 cells verified`, `1 of 6 cells differs`, `self-reported`."""
        if self.differing:
            verb = "differs" if self.differing == 1 else "differ"
            return f"{self.differing} of {count(self.verified + self.differing, 'cell')} {verb}"
        return f"{count(self.verified, 'cell')} verified" if self.verified else "self-reported"
