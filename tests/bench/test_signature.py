"""Signatures: what they hold for, the keys that are read, and the fingerprint that ssh shows."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fflbench.errors import UserError
from fflbench.signature import Signature, check_signature, read_key, sign

PKCS8, SSH = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.OpenSSH
PLAIN = serialization.NoEncryption()


@pytest.mark.parametrize("form", [PKCS8, SSH])
def test_both_forms_of_a_key_sign_the_same(form: serialization.PrivateFormat, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    file = tmp_path / "key"
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, PLAIN))
    assert sign(b"message", read_key(file)) == sign(b"message", key)


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    good, other = sign(b"message", key), sign(b"message", Ed25519PrivateKey.generate())
    check_signature(b"message", good, "x")
    for message, signature in (
        (b"massage", good),
        (b"message", good.model_copy(update={"key": other.key})),
        (b"message", good.model_copy(update={"value": other.value})),
        (b"message", Signature(key=base64.b64encode(bytes(32)).decode(), value=base64.b64encode(bytes(64)).decode())),
    ):
        with pytest.raises(UserError, match="x: the signature does not fit the content"):
            check_signature(message, signature, "x")


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows() -> None:
    """From `ssh-keygen -l` for the key of 32 zero bytes."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert sign(b"", key).fingerprint == "SHA256:tAXFyTXI8xtDaujAEcwJslAYc9/6FKcUkd2Lw0xDhPo"


def test_other_files_are_one_line(tmp_path: Path) -> None:
    pem = serialization.Encoding.PEM
    secret = serialization.BestAvailableEncryption(b"secret")
    key = Ed25519PrivateKey.generate()
    for name, data, says in (
        ("protected", key.private_bytes(pem, PKCS8, secret), "protected by a passphrase"),
        (
            "other",
            generate_private_key(SECP256R1()).private_bytes(pem, PKCS8, PLAIN),
            "is a key of another kind, needs ed25519",
        ),
        (
            "public",
            key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
            "is not a private key",
        ),
        ("rubbish", b"\x00\xff", "is not a private key"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=says) as caught:
            read_key(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_key(tmp_path / "absent")
