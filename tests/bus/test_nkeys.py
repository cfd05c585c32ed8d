from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.bus import nkeys
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.errors import Permanent

# From the documentation of NATS and the tests of its clients.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
NONCE, SIGNATURE = (
    b"DhXdTMAeiHhLDig",
    "WosANJXgeyxerXFo0twRiMG+/ZjYp1K/46bFeFax705yFTCTjM18jWl01gGYk4KKbadiHd+hP3WgUQ2iLZUAAA==",
)


def test_a_known_key() -> None:
    key = KeyPair.from_seed(SEED)
    assert (key.kind, key.public, key.seed) == (Kind.USER, PUBLIC, SEED)
    assert base64.b64encode(key.sign(NONCE)).decode() == SIGNATURE
    assert nkeys.verify(PUBLIC, NONCE, base64.b64decode(SIGNATURE))
    assert SEED not in repr(key)


@pytest.mark.parametrize(("kind", "letter"), [(Kind.ACCOUNT, "A"), (Kind.USER, "U"), (Kind.SERVER, "N"), (Kind.OPERATOR, "O")])
def test_a_new_key_is_of_its_kind(kind: Kind, letter: str) -> None:
    key = KeyPair.generate(kind)
    assert key.public.startswith(letter)
    assert key.seed.startswith("S" + letter)
    again = KeyPair.from_seed(key.seed)
    assert (again.kind, again.public, again.seed) == (kind, key.public, key.seed)
    assert nkeys.verify(key.public, b"x", again.sign(b"x"))
    assert [other for other in Kind if nkeys.is_public(key.public, other)] == [kind]


@given(data=st.binary(max_size=200), place=st.integers(0, 63))
def test_a_changed_signature_is_none(data: bytes, place: int) -> None:
    key = KeyPair.from_seed(SEED)
    signature = bytearray(key.sign(data))
    signature[place] ^= 1
    assert not nkeys.verify(PUBLIC, data, bytes(signature))
    assert not nkeys.verify(PUBLIC, data + b"x", key.sign(data))


@pytest.mark.parametrize(
    "seed", ["", "S", PUBLIC, SEED[:-1], SEED[:-1] + "A", SEED.lower(), "ü" * 58, "S" * 58, "A" * 1000, "SUACSS", "\x00" * 58]
)
def test_what_is_no_seed_is_refused_and_not_shown(seed: str) -> None:
    with pytest.raises(Permanent) as raised:
        KeyPair.from_seed(seed)
    assert len(seed) < 10 or seed not in str(raised.value)


@given(st.text(max_size=80))
def test_what_is_no_public_key_has_signed_nothing(key: str) -> None:
    assert not nkeys.verify(key, b"x", bytes(64))
    assert not any(nkeys.is_public(key, kind) for kind in Kind)


def test_a_file_holds_a_key_of_the_kind_that_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "x.seed"
    file.write_text(SEED + "\n")
    assert nkeys.load(file, Kind.USER).public == PUBLIC
    with pytest.raises(Permanent, match=r"x\.seed holds a seed of kind user, not account"):
        nkeys.load(file, Kind.ACCOUNT)
    file.write_text("nonsense")
    with pytest.raises(Permanent, match=r"x\.seed: this is no nkey seed"):
        nkeys.load(file, Kind.USER)
    with pytest.raises(Permanent, match=r"gone\.seed cannot be read"):
        nkeys.load(tmp_path / "gone.seed", Kind.USER)
