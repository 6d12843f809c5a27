"""Who submits what: the few lines about a submission that a board shows."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated
from urllib.parse import urlsplit

import pydantic
from pydantic import AfterValidator, Field

LONGEST_TEXT = 200
MOST_AUTHORS = 50


def board_name(text: str) -> str:
    """Raises `ValueError` unless it is 1 to 60 letters, digits, spaces and `. _ + ( ) -` of ASCII: no two such names look
    alike, and none is markup, a formula or a path."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9 ._+()-]{0,58}[A-Za-z0-9.+)])?", text):
        raise ValueError(f"found {ascii(text)[:60]}, needs 1 to 60 letters, digits, spaces and . _ + ( ) -, of ASCII, that "
                         "begin with a letter or a digit")  # fmt: skip
    return text


def printable(text: str) -> str:
    """Raises `ValueError` unless the text shows as it is: no control characters, no change of writing direction, nothing
    invisible, no spaces at its ends or in a row."""
    for letter in text:
        if not letter.isprintable():
            kind = unicodedata.name(letter, "control character")
            raise ValueError(f"found {ascii(text)[:60]}, which has U+{ord(letter):04X} ({kind}), needs printable characters")
    if text != " ".join(text.split(" ")).strip() or "  " in text:
        raise ValueError(f"found {text[:60]!r}, needs single spaces inside and none at its ends")
    return text


def web_address(text: str) -> str:
    """Raises `ValueError` unless it is an http or https address of printable ASCII without spaces, quotes, angle brackets or
    a password."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    clean = re.fullmatch(r"[!#$%&()*+,\-./0-9:;=?@A-Z_a-z~]{1,200}", text)
    if not clean or parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise ValueError(f"found {ascii(text)[:60]}, needs an address that begins with https:// or http://")
    return text


BoardName = Annotated[str, AfterValidator(board_name)]
Printable = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(printable)]
WebAddress = Annotated[str, AfterValidator(web_address)]


class About(pydantic.BaseModel):
    """`name` is the name on the board. `contact` is for the people who run the board; it is in the file, so it is public."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)
    name: BoardName
    authors: Annotated[list[Printable], Field(max_length=MOST_AUTHORS)] = []
    paper: WebAddress | None = None
    code: WebAddress | None = None
    contact: Printable | None = None


def slug(name: str) -> str:
    """A name as it stands in file names. Two names with the same slug count as the same name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
