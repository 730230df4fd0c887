"""A certificate authority in a folder.

```
ca.cert.pem       its certificate          chain.pem       it and those above, root last
ca.key.pem        its key, 0600            ocsp.pem        key and certificate of its OCSP responder, 0600
authority.json    its addresses            register.jsonl  what it issued and revoked
issued/           every certificate        ca.crl          the revocation list, DER
```

Only `govbus pki issue`, `revoke` and `crl` need the authority's key; what answers on a network has only the
responder's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.errors import ConfigError
from govbus.service.keys.files import replace_file, write_new
from govbus.service.keys.opening import open_private_key, read_octets
from govbus.service.keys.secrets import Secret, no_secret
from govbus.service.pki.register import Register
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.certificates import CertificateRole
from govbus.signing.issuing import CertificateAuthority, private_key_pem
from govbus.signing.signer import load_private_key
from govbus.signing.status_building import OcspResponder, RevokedCertificate, load_certificate

DAY_MS: Final = 86_400_000
CRL_DAYS: Final = 7
"""How long a revocation list may be relied on."""
RESPONDER_DAYS: Final = 90
RESPONDER_DAYS_MIN: Final = 30
"""A responder's certificate with fewer days left is replaced with the next revocation list."""
CLOCK_TOLERANCE_MS: Final = 300_000
"""Certificates begin a little early, for machines whose clocks are behind."""
KEY, CERTIFICATE, CHAIN, CRL = "ca.key.pem", "ca.cert.pem", "chain.pem", "ca.crl"
RESPONDER: Final = "ocsp.pem"
SETTINGS, REGISTER, ISSUED = "authority.json", "register.jsonl", "issued"


@dataclass(frozen=True, slots=True)
class AuthorityPlan:
    """An authority that is to be made."""

    name: str
    algorithm: Algorithm
    days: int
    at_ms: int
    url: str = ""
    """Where `govbus pki serve` will be reached; empty leaves the addresses out of certificates."""
    path_length: int = 0
    """How many authorities there may be under it, one below the other."""


@dataclass(frozen=True, slots=True)
class AuthorityFolder:
    """A folder with an authority."""

    path: Path

    @classmethod
    def create(
        cls,
        path: Path,
        plan: AuthorityPlan,
        *,
        secret: Secret = no_secret,
        above: AuthorityFolder | None = None,
        above_secret: Secret = no_secret,
    ) -> AuthorityFolder:
        """Make an authority: a root, or one under another.

        Args:
            path: new folder; its name becomes part of the addresses.
            plan: what is to be made.
            secret: password of its key; None leaves it unencrypted.
            above: the authority that issues it; None makes a root.
            above_secret: password of that one's key.

        Raises:
            ConfigError: if the folder has an authority, or something cannot be read or written.
        """
        if (path / CERTIFICATE).exists() or (path / KEY).exists():
            raise ConfigError(f"{path} has an authority already", remedy="name a new folder")
        folder = cls(path)
        made = folder._made(plan, above, above_secret)
        key = load_private_key(made.key_pem, name="the new key")
        write_new(path / KEY, private_key_pem(key, secret()), is_private=True)
        write_new(path / CERTIFICATE, made.certificate_pem, is_private=False)
        higher = b"" if above is None else read_octets(above.path / CHAIN)
        write_new(path / CHAIN, made.certificate_pem + higher, is_private=False)
        write_new(path / SETTINGS, json.dumps({"url": plan.url}).encode() + b"\n", is_private=False)
        folder.sign_crl(secret=secret, at_ms=plan.at_ms)
        return folder

    def _made(
        self, plan: AuthorityPlan, above: AuthorityFolder | None, above_secret: Secret
    ) -> CertificateAuthority:
        if above is None:
            return CertificateAuthority.create(
                plan.name,
                plan.algorithm,
                at_ms=plan.at_ms - CLOCK_TOLERANCE_MS,
                days=plan.days,
                path_length=plan.path_length,
            )
        made = above.authority(above_secret).intermediate(
            plan.name,
            plan.algorithm,
            not_before_ms=plan.at_ms - CLOCK_TOLERANCE_MS,
            not_after_ms=plan.at_ms + plan.days * DAY_MS,
            path_length=plan.path_length,
        )
        above.keep(made.certificate_pem)
        return made

    @property
    def name(self) -> str:
        """The folder's name: first part of its addresses."""
        return self.path.resolve().name

    @property
    def register(self) -> Register:
        """What it issued and revoked, as it stands now."""
        return Register.read(self.path / REGISTER)

    def urls(self) -> StatusUrls:
        """Return where its certificates can be asked about."""
        try:
            url = json.loads(read_octets(self.path / SETTINGS))["url"]
        except (ValueError, KeyError, TypeError) as err:
            raise ConfigError(f'{self.path / SETTINGS}: expected {{"url": …}}') from err
        if not url:
            return StatusUrls()
        base = f"{str(url).rstrip('/')}/{self.name}"
        return StatusUrls(f"{base}/ca.crl", f"{base}/ocsp", f"{base}/ca.cer")

    def authority(self, secret: Secret = no_secret) -> CertificateAuthority:
        """Return the authority with its key.

        Raises:
            ConfigError: if something cannot be read.
        """
        key = open_private_key(str(self.path / KEY), secret=secret)
        return CertificateAuthority(read_octets(self.path / CERTIFICATE), private_key_pem(key), self.urls())

    def issue_for_request(
        self,
        request: bytes,
        *,
        role: CertificateRole,
        days: int,
        at_ms: int,
        secret: Secret = no_secret,
        subject: str = "",
        organisation: str = "",
        from_ms: int | None = None,
    ) -> bytes:
        """Answer a signing request and return the certificate, PEM.

        Args:
            request: PEM or DER.
            role: what the key is to sign.
            days: how long it is valid from now on.
            at_ms: now, milliseconds since 1970.
            secret: password of the authority's key.
            subject: common name to use instead of the request's name.
            organisation: goes with `subject`.
            from_ms: first valid moment; None is a little before now.

        Raises:
            ConfigError: if it is no request, or something cannot be read or written.
            AlgorithmError: if the key is outside the pinned list (rule SEC-4).
        """
        certificate = self.authority(secret).issue_for_request(
            request,
            not_before_ms=at_ms - CLOCK_TOLERANCE_MS if from_ms is None else from_ms,
            not_after_ms=at_ms + days * DAY_MS,
            role=role,
            subject=subject,
            organisation=organisation,
        )
        self.keep(certificate)
        return certificate

    def keep(self, certificate_pem: bytes) -> None:
        """Register a certificate that was issued, and keep a copy."""
        certificate = load_certificate(certificate_pem)
        self.register.add_issued(certificate)
        write_new(
            self.path / ISSUED / f"{certificate.serial_number:x}.pem", certificate_pem, is_private=False
        )

    def revoke(
        self,
        serial: int,
        *,
        revoked_ms: int,
        reason: x509.ReasonFlags,
        at_ms: int,
        secret: Secret = no_secret,
    ) -> None:
        """Revoke a certificate from a date on, and sign a new list.

        Args:
            serial: of the certificate.
            revoked_ms: signatures of this moment and later are not to be trusted.
            reason: RFC 5280 section 5.3.1.
            at_ms: now, milliseconds since 1970.
            secret: password of the authority's key.

        Raises:
            ConfigError: if the date is still to come, or the certificate is not this authority's.
        """
        if revoked_ms > at_ms:
            raise ConfigError("the date of a revocation cannot be in the future")
        self.authority(secret)  # a wrong password is told before anything is kept
        self.register.add_revoked(RevokedCertificate(serial, revoked_ms, reason))
        self.sign_crl(secret=secret, at_ms=at_ms)

    def sign_crl(self, *, at_ms: int, secret: Secret = no_secret, days: int = CRL_DAYS) -> bytes:
        """Sign the next revocation list, keep it and return it; renews the OCSP responder where it is due.

        Args:
            at_ms: now, milliseconds since 1970.
            secret: password of the authority's key.
            days: until the next list is there at the latest.
        """
        authority = self.authority(secret)
        der = authority.crl(
            self.register.revocations.values(),
            number=self._crl_number() + 1,
            this_update_ms=at_ms,
            next_update_ms=at_ms + days * DAY_MS,
        )
        replace_file(self.path / CRL, der, is_private=False)
        self._renew_responder(authority, at_ms)
        return der

    def _crl_number(self) -> int:
        path = self.path / CRL
        if not path.exists():
            return 0
        extension = x509.load_der_x509_crl(path.read_bytes()).extensions.get_extension_for_class(
            x509.CRLNumber
        )
        return extension.value.crl_number

    def _renew_responder(self, authority: CertificateAuthority, at_ms: int) -> None:
        path = self.path / RESPONDER
        if path.exists():
            left = self.responder().responder.not_valid_after_utc.timestamp() * 1000 - at_ms
            if left > RESPONDER_DAYS_MIN * DAY_MS:
                return
        issued = authority.issue_responder(
            not_before_ms=at_ms - CLOCK_TOLERANCE_MS, not_after_ms=at_ms + RESPONDER_DAYS * DAY_MS
        )
        replace_file(path, issued.key_pem + issued.certificate_pem, is_private=True)

    def responder(self) -> OcspResponder:
        """Return what answers OCSP requests; needs the responder's key alone."""
        both = read_octets(self.path / RESPONDER)
        return OcspResponder.from_pem(read_octets(self.path / CERTIFICATE), both, both)

    def certificate_der(self) -> bytes:
        """Return its certificate, DER."""
        return load_certificate(read_octets(self.path / CERTIFICATE)).public_bytes(Encoding.DER)


def serial_of(text: str) -> int:
    """Return the serial number of a certificate file, or of hexadecimal digits.

    Raises:
        ConfigError: if it is neither.
    """
    path = Path(text)
    if path.exists():
        return load_certificate(read_octets(path)).serial_number
    try:
        return int(text.replace(":", ""), 16)
    except ValueError as err:
        raise ConfigError(f"{text} is neither a certificate file nor a serial number in hexadecimal") from err
