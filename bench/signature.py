"""Signatures with ed25519 keys: who made a file, if you know whose key it is."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic
from pydantic import Field

from fflbench.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LARGEST_KEY_FILE = 64 * 1024


class Signature(pydantic.BaseModel):
    """`key` is the public key (32 bytes) and `value` what it signed (64 bytes), both in base64."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    algorithm: Literal["ed25519"] = "ed25519"
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it: SHA256 of the public key in SSH's form."""
        parts = (b"ssh-ed25519", base64.b64decode(self.key))
        blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
        return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def read_key(file: Path) -> Ed25519PrivateKey:
    """An ed25519 private key: PEM (PKCS8) or OpenSSH, without a passphrase. Raises `UserError`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_KEY_FILE)
    except OSError as error:
        raise UserError(f"--key: {file}: cannot be read ({error.strerror})") from None
    ssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
    try:
        key = load(data, password=None)
    except TypeError:
        raise UserError(f"--key: {file}: is protected by a passphrase, needs a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(f"--key: {file}: is not a private key, needs ed25519 as PEM or OpenSSH; make one with "
                        "ssh-keygen -t ed25519") from None  # fmt: skip
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"--key: {file}: is a key of another kind, needs ed25519")
    return key


def sign(message: bytes, key: Ed25519PrivateKey) -> Signature:
    """The same message and key give the same signature."""
    public = key.public_key().public_bytes_raw()
    return Signature(key=base64.b64encode(public).decode(), value=base64.b64encode(key.sign(message)).decode())


def check_signature(message: bytes, signature: Signature, where: str) -> None:
    """Raises `UserError` that begins with `where` unless the signature's key signed exactly this message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key, value = (base64.b64decode(text, validate=True) for text in (signature.key, signature.value))
        Ed25519PublicKey.from_public_bytes(key).verify(value, message)
    except (InvalidSignature, binascii.Error, ValueError):
        raise UserError(
            f"{where}: the signature does not fit the content: it was changed, or signed by somebody else than "
            f"{signature.fingerprint}"
        ) from None
