"""The authority over the years: whoever knows an older bundle can always verify what is served."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sympozium_core.controllers.certificates import authority as authorities
from sympozium_core.controllers.certificates.authority import Authority, Broken, Pair, advanced, fault, issue, rotation, split

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ("sympozium-webhook.sympozium-system.svc", "sympozium-webhook")


def test_what_it_signs_passes_the_strictest_verification(tmp_path: Path) -> None:
    """By openssl, at a time of our choosing; `tests/admission/test_tls.py` shows it in handshakes."""
    authority = advanced(None, BEGIN)
    leaf = issue(authority, NAMES, BEGIN)
    (tmp_path / "ca.crt").write_bytes(authority.bundle)
    (tmp_path / "tls.crt").write_bytes(leaf.certificate)
    at = str(int((BEGIN + DAY).timestamp()))
    base = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", at, "-CAfile", str(tmp_path / "ca.crt")]
    for name in NAMES:
        subprocess.run([*base, "-verify_hostname", name, str(tmp_path / "tls.crt")], check=True, capture_output=True)
    wrong = subprocess.run(
        [*base, "-verify_hostname", "example.com", str(tmp_path / "tls.crt")], capture_output=True, check=False
    )
    assert wrong.returncode != 0


def test_keys_are_p256_and_in_no_representation() -> None:
    authority = advanced(None, BEGIN)
    leaf = issue(authority, NAMES, BEGIN)
    for pair in (authority.signs, leaf):
        assert isinstance(pair.private.curve, ec.SECP256R1)
    assert "PRIVATE" not in repr(authority) + repr(leaf)
    assert leaf.private.private_numbers() != authority.signs.private.private_numbers()


def test_lifetimes() -> None:
    authority = advanced(None, BEGIN)
    leaf = issue(authority, NAMES, BEGIN)
    assert authority.signs.ends == BEGIN + timedelta(days=5 * 365)
    assert leaf.ends == BEGIN + 90 * DAY
    assert leaf.parsed.not_valid_before_utc < BEGIN  # for clocks that are behind
    assert timedelta(days=59) < rotation(leaf) - BEGIN < timedelta(days=61)


def test_a_certificate_that_is_good_is_left_alone() -> None:
    authority = advanced(None, BEGIN)
    leaf = issue(authority, NAMES, BEGIN)
    assert advanced(authority, BEGIN + DAY) is authority
    assert fault(leaf, authority, NAMES, BEGIN + DAY) == ""
    assert fault(leaf, authority, tuple(reversed(NAMES)), BEGIN + DAY) == ""


def test_every_reason_for_a_new_certificate_is_noticed() -> None:
    authority, stranger = advanced(None, BEGIN), advanced(None, BEGIN)
    leaf, other = issue(authority, NAMES, BEGIN), issue(authority, NAMES, BEGIN)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for pair, why in (
        (Pair(b"", b""), "no certificate"),
        (Pair(b"junk", leaf.key), "no certificate"),
        (Pair(leaf.certificate, b"junk"), "no key"),
        (Pair(leaf.certificate, other.key), "belong together"),
        (Pair(leaf.certificate, pem), "elliptic"),
        (issue(stranger, NAMES, BEGIN), "another authority"),
        (issue(authority, NAMES[:1], BEGIN), "other names"),
        (issue(authority, (*NAMES, "10.0.0.1"), BEGIN), "other names"),
    ):
        assert why in fault(pair, authority, NAMES, BEGIN)
    assert "time is up" in fault(leaf, authority, NAMES, BEGIN + 61 * DAY)


def test_a_bundle_can_be_split_and_nothing_else() -> None:
    first, second = advanced(None, BEGIN).signs, advanced(None, BEGIN).signs
    assert split(first.certificate + second.certificate) == (first.certificate, second.certificate)
    assert split(b"") == ()
    with pytest.raises(Broken):
        split(b"nonsense")


def test_twenty_years_without_a_gap() -> None:
    """Looked at each day. A pod keeps the bundle that it was started with: one of four weeks ago must still do."""
    authority = advanced(None, BEGIN)
    leaf = issue(authority, NAMES, BEGIN)
    bundles: list[bytes] = []
    seen: set[int] = set()
    for number in range(20 * 365):
        now = BEGIN + number * DAY
        authority = advanced(authority, now)
        assert advanced(authority, now) is authority
        if fault(leaf, authority, NAMES, now):
            leaf = issue(authority, NAMES, now)
        bundles.append(authority.bundle)
        trusted = x509.load_pem_x509_certificates(bundles[max(0, number - 28)])
        assert any(leaf.parsed.issuer == each.subject and _verifies(leaf, each) for each in trusted)
        assert leaf.parsed.not_valid_before_utc <= now < leaf.ends - 29 * DAY
        assert leaf.ends <= authority.signs.ends
        assert len(x509.load_pem_x509_certificates(authority.bundle)) <= 3
        seen.add(authority.signs.parsed.serial_number)
    assert len(seen) == 5


def test_after_years_of_neglect_there_is_an_authority_again() -> None:
    authority = advanced(None, BEGIN)
    late = BEGIN + timedelta(days=6 * 365)
    renewed = advanced(authority, late)
    assert renewed.signs.ends > late
    assert renewed.next is None
    assert renewed.past == ()
    following = advanced(authority, BEGIN + timedelta(days=4 * 365 + 1))
    assert following.next is not None
    assert advanced(following, BEGIN + timedelta(days=5 * 365 + 1)).signs == following.next


def test_the_next_authority_is_trusted_a_month_before_it_signs() -> None:
    authority = advanced(None, BEGIN)
    day = authority.signs.ends - authorities.SUCCESSION
    introduced = advanced(authority, day)
    assert introduced.signs is authority.signs
    assert introduced.next is not None
    assert introduced.next.certificate in introduced.bundle
    assert advanced(introduced, day + 29 * DAY) is introduced
    promoted = advanced(introduced, day + 30 * DAY)
    assert promoted == Authority(introduced.next, past=(authority.signs.certificate,))
    assert set(split(promoted.bundle)) == set(split(introduced.bundle))
    old_leaf = issue(authority, NAMES, day)
    assert fault(old_leaf, promoted, NAMES, day + 31 * DAY) == ""
    assert fault(old_leaf, replace(promoted, past=()), NAMES, day + 31 * DAY) != ""


def test_bundles_are_what_tls_takes() -> None:
    authority = advanced(advanced(None, BEGIN), BEGIN + timedelta(days=4 * 365 + 1))
    context = ssl.create_default_context(cadata=authority.bundle.decode())
    assert context.cert_store_stats()["x509_ca"] == 2


def _verifies(leaf: Pair, issuer: x509.Certificate) -> bool:
    leaf.parsed.verify_directly_issued_by(issuer)
    return True
