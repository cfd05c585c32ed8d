"""nkeys, by which NATS knows accounts, users and servers: Ed25519 keys in a base32 form with a kind and a checksum.

The form is that of github.com/nats-io/nkeys: a public key is ``<kind> <32 bytes> <CRC-16>``, a seed ``<"seed", kind> <32 bytes> <CRC-16>``, in
base32 without padding, so that the first letter tells the kind: A account, N server, O operator, U user, and S for a seed. `cryptography`
does the arithmetic; the package `nkeys` would bring PyNaCl beside it.
"""

from __future__ import annotations

import base64
import binascii
from enum import Enum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sympozium_core.errors import Permanent

_SEED = 18 << 3
_RAW = 32


class Kind(Enum):
    ACCOUNT = 0
    SERVER = 13 << 3
    OPERATOR = 14 << 3
    USER = 20 << 3


class KeyPair:
    """A key that can sign. Its seed is in no representation of it."""

    def __init__(self, kind: Kind, raw: bytes) -> None:
        self.kind = kind
        self._raw = raw
        self._key = Ed25519PrivateKey.from_private_bytes(raw)
        self.public = _encode(bytes([kind.value]), self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, kind: Kind) -> KeyPair:
        return cls(kind, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_seed(cls, seed: str) -> KeyPair:
        """Raises Permanent, which does not show the seed."""
        try:
            decoded = _decode(seed.strip())
            prefix, raw = decoded[:2], decoded[2:]
            if prefix[0] & 0xF8 != _SEED or len(raw) != _RAW:
                raise ValueError
            kind = Kind((prefix[0] & 7) << 5 | prefix[1] >> 3)
        except (ValueError, IndexError):
            raise Permanent("this is no nkey seed", hint="a seed is one line that begins with S") from None
        return cls(kind, raw)

    @property
    def seed(self) -> str:
        """The secret, as it is kept in a file."""
        kind = self.kind.value
        return _encode(bytes([_SEED | kind >> 5, (kind & 0x1F) << 3]), self._raw)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def load(path: Path, kind: Kind) -> KeyPair:
    """The key whose seed the file holds. Raises Permanent that names the file."""
    try:
        key = KeyPair.from_seed(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"the seed in {path} cannot be read: {getattr(error, 'strerror', 'no text')}") from error
    except Permanent as error:
        raise Permanent(f"{path}: {error.message}", hint=error.hint) from error
    if key.kind is not kind:
        raise Permanent(f"{path} holds a seed of kind {key.kind.name.lower()}, not {kind.name.lower()}")
    return key


def is_public(key: str, kind: Kind) -> bool:
    """Whether this is a public key of that kind."""
    try:
        decoded = _decode(key)
    except ValueError:
        return False
    return len(decoded) == 1 + _RAW and decoded[0] == kind.value


def verify(public: str, data: bytes, signature: bytes) -> bool:
    """Whether the holder of the public key has signed the data; False also for what is no key."""
    try:
        decoded = _decode(public)
        if len(decoded) != 1 + _RAW:
            return False
        Ed25519PublicKey.from_public_bytes(decoded[1:]).verify(signature, data)
    except (ValueError, InvalidSignature):
        return False
    return True


def _encode(prefix: bytes, raw: bytes) -> str:
    data = prefix + raw
    return base64.b32encode(data + _checksum(data)).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Prefix and key; raises ValueError."""
    if not text.isascii() or len(text) > 80:
        raise ValueError("not an nkey")
    data = base64.b32decode(text + "=" * (-len(text) % 8))
    if len(data) < 4 or data[-2:] != _checksum(data[:-2]):
        raise ValueError("not an nkey")
    return data[:-2]


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")
