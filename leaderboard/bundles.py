"""Parts of the page that are not looked at at first, packed: HTML by name, deflated, unpacked in the browser when needed.

A page of thousands of cells repeats itself so much that this makes it twenty times smaller, and what is not unpacked costs a
browser nothing.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

LEVEL = 9
RAW = -15
"""Deflate without a header: `deflate-raw` to a browser."""


@dataclass(frozen=True)
class Bundle:
    """`data` is base64 of deflated JSON, an object of HTML by name. `key` is letters, digits and hyphens."""

    key: str
    data: str


def bundle(key: str, parts: Mapping[str, str]) -> Bundle:
    """Pack parts, already escaped HTML, under a key."""
    text = json.dumps({name: lean(html) for name, html in parts.items()}, ensure_ascii=False, separators=(",", ":"))
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW)
    return Bundle(key, base64.b64encode(packer.compress(text.encode()) + packer.flush()).decode())


def lean(html: str) -> str:
    """The same without the indentation of the templates; text of strangers never holds a line break."""
    return re.sub(r"\n\s*", "\n", html)
