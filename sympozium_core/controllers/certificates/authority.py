"""Our own authority: what it signs, how long that is good for, and when the next is due. Pure, but for the random numbers in keys.

The authority is good for five years. A year before its end the next one is made, and trusted from then on beside it; a month later, when
everybody knows it, it begins to sign. So nobody ever meets a certificate of an authority that they have not heard of.
Certificates follow the profile that `ssl.VERIFY_X509_STRICT` demands (RFC 5280).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=5 * 365)
SUCCESSION = timedelta(days=365)
"""Before the end of an authority: when the next one is made."""
INTRODUCTION = timedelta(days=30)
"""How long the next one is trusted before it signs."""
LEAF_LIFE = timedelta(days=90)
ROTATE_AT = 2 / 3
"""Of a certificate's life."""
SKEW = timedelta(hours=1)
"""How far behind a clock may be that reads a new certificate."""
NAME = "sympozium"


class Broken(ValueError):
    """No certificate and key that belong together. Says what is wrong, never what is in them."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    @cached_property
    def parsed(self) -> x509.Certificate:
        """Raises Broken for what is no certificate, and for one that the key is not of."""
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate)
            public = self.private.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise error if isinstance(error, Broken) else Broken("it is no certificate in PEM") from None
        if certificate.public_key() != public:
            raise Broken("certificate and key do not belong together")
        return certificate

    @cached_property
    def private(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self.key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Broken("there is no key in PEM") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Broken("the key is not on an elliptic curve")
        return key

    def check(self) -> None:
        """Raises Broken."""
        _ = self.parsed

    @property
    def ends(self) -> datetime:
        return self.parsed.not_valid_after_utc


@dataclass(frozen=True)
class Authority:
    """`signs` signs; `next` will; `past` are certificates that are trusted for what they signed."""

    signs: Pair
    next: Pair | None = None
    past: tuple[bytes, ...] = ()

    @property
    def bundle(self) -> bytes:
        """What to trust: PEM, the signing one first."""
        trusted = [self.signs.certificate, *([self.next.certificate] if self.next else []), *self.past]
        return b"".join(dict.fromkeys(trusted))


def advanced(authority: Authority | None, now: datetime) -> Authority:
    """The authority as it should be at `now`; the same object when it is."""
    if authority is None:
        return Authority(_new_authority(now))
    found = authority
    over = found.signs.ends <= now  # nobody looked for a year: there is no time left for an introduction
    if found.next is None and (over or found.signs.ends - now <= SUCCESSION):
        found = replace(found, next=_new_authority(now))
    if found.next is not None and (over or _introduced(found.next) <= now):
        found = Authority(found.next, past=(found.signs.certificate, *found.past))
    kept = tuple(pem for pem in found.past if x509.load_pem_x509_certificate(pem).not_valid_after_utc > now)
    return found if kept == found.past else replace(found, past=kept)


def split(bundle: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM bundle, one by one. Raises Broken."""
    try:
        found = x509.load_pem_x509_certificates(bundle) if bundle.strip() else []
    except ValueError:
        raise Broken("there is something else among its certificates") from None
    return tuple(certificate.public_bytes(serialization.Encoding.PEM) for certificate in found)


def issue(authority: Authority, names: Sequence[str], now: datetime) -> Pair:
    """A server's certificate for these DNS names and addresses, the first of which is its common name where it fits."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.signs.parsed
    builder = _dated(x509.CertificateBuilder(), now, min(now + LEAF_LIFE, authority.signs.ends))
    builder = (
        builder.subject_name(_named(names[0] if len(names[0]) <= 64 else NAME))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signing=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_identified(issuer), critical=False)
    )
    return _pair(builder.sign(authority.signs.private, hashes.SHA256()), key)


def fault(leaf: Pair, authority: Authority, names: Iterable[str], now: datetime) -> str:
    """Why the certificate has to be made anew, in a few words; empty when it is good."""
    try:
        found = leaf.parsed
    except Broken as error:
        return str(error)
    if _names_of(found) != set(map(_alternative, names)):
        return "it is for other names"
    if not any(_signed(found, each) for each in x509.load_pem_x509_certificates(authority.bundle)):
        return "another authority signed it"
    if now >= rotation(leaf):
        return "its time is up"
    return ""


def rotation(leaf: Pair) -> datetime:
    """When the certificate is to be replaced."""
    found = leaf.parsed
    return found.not_valid_before_utc + (found.not_valid_after_utc - found.not_valid_before_utc) * ROTATE_AT


def due(authority: Authority) -> datetime:
    """When `advanced` makes something new at the latest, certificates aside."""
    if authority.next is not None:
        return _introduced(authority.next)
    return authority.signs.ends - SUCCESSION


def _introduced(pair: Pair) -> datetime:
    return pair.parsed.not_valid_before_utc + SKEW + INTRODUCTION


def _new_authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # Two authorities at a time must differ by more than their keys, or who verifies has to try both.
    subject = _named(f"{NAME} authority {now:%Y-%m-%d %H:%M:%S}")
    builder = (
        _dated(x509.CertificateBuilder(), now, now + AUTHORITY_LIFE)
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signing=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def _dated(builder: x509.CertificateBuilder, now: datetime, end: datetime) -> x509.CertificateBuilder:
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - SKEW).not_valid_after(end)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, NAME), x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing,
        crl_sign=signing,
        encipher_only=False,
        decipher_only=False,
    )


def _identified(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), private)
