"""A small real timestamp authority: HTTP in front of ``openssl ts -reply``, with keys of its own in a folder.

For tests, the demo and trying things out, as the embedded Kafka is. It is no authority: its key lies in a file, nobody
audits it, and its time is this machine's.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from govbus.errors import ConfigError, MissingPartError
from govbus.message_log.timestamp import QUERY_TYPE, REPLY_TYPE

QUERY_BYTES_MAX = 4096
REPLY_TIMEOUT_S = 10
POLICY = "1.3.6.1.4.1.57264.2.1"
CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.pem", "tsa.pem", "tsa.key.pem"
CHAIN_FILE = "chain.pem"

_RSA_BITS = 3072
_CA_YEARS = 10
_CONFIG_FILE = "openssl.cnf"
_DAY = timedelta(days=1)


class OpensslTsa:
    """An authority that answers while its context is open."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key_kind: str = "p256",
        valid_days: int = 365,
        sends_chain: bool = False,
    ) -> None:
        """Use the authority in a folder, or make one there.

        Args:
            folder: where keys, certificates, serial and configuration lie.
            host: address to listen on.
            port: 0 takes a free one.
            key_kind: ``p256`` or ``rsa``, for a new authority.
            valid_days: of a new authority's certificate; its root is valid for ten years.
            sends_chain: send the root too. OpenSSL then breaks the DER order of the certificates, which strict
                readers refuse; public authorities do send chains.

        Raises:
            MissingPartError: if openssl is not on the machine.
            ConfigError: if the kind of key is unknown.
        """
        openssl = shutil.which("openssl")
        if openssl is None:
            raise MissingPartError("openssl is not on this machine", remedy="install openssl")
        self._openssl = openssl
        self.folder = folder
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._serial_lock = threading.Lock()
        self.is_out_of_order = False
        """While set, every query is answered with HTTP 503: an authority that is down."""
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / CERTIFICATE_FILE).exists():
            _make_authority(folder, key_kind, valid_days)
        _write_config(folder, sends_chain=sends_chain)

    @property
    def url(self) -> str:
        """Where it answers."""
        if self._server is None:
            raise ConfigError("the timestamp authority is not running")
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    @property
    def ca_file(self) -> Path:
        """PEM of its root: what to trust."""
        return self.folder / CA_FILE

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """Its root."""
        return tuple(x509.load_pem_x509_certificates(self.ca_file.read_bytes()))

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(self._address, _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None

    def reply(self, query: bytes) -> bytes:
        """Return the DER of a TimeStampResp; also a refusal is one.

        Raises:
            ConfigError: if openssl cannot answer at all.
        """
        # openssl counts serials in a file that it does not lock.
        with self._serial_lock, TemporaryDirectory(dir=self.folder) as scratch:
            asked, answered = Path(scratch) / "query.tsq", Path(scratch) / "reply.tsr"
            asked.write_bytes(query)
            done = subprocess.run(
                [
                    self._openssl,
                    *("ts", "-reply", "-config", str(self.folder / _CONFIG_FILE), "-section", "tsa"),
                    *("-queryfile", str(asked), "-out", str(answered)),
                ],
                capture_output=True,
                check=False,
                timeout=REPLY_TIMEOUT_S,
                env={},
            )
            if done.returncode or not answered.exists():
                raise ConfigError(f"openssl ts -reply ended with exit code {done.returncode}")
            return answered.read_bytes()


def _handler_of(authority: OpensslTsa) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """RFC 3161 section 3.4."""

        timeout = REPLY_TIMEOUT_S

        def do_POST(self) -> None:
            """Answer one query."""
            length = self.headers.get("Content-Length", "")
            if authority.is_out_of_order:
                self._finish(503)
            elif self.headers.get_content_type() != QUERY_TYPE or not length.isdecimal():
                self._finish(415)
            elif int(length) > QUERY_BYTES_MAX:
                self._finish(413)
            else:
                self._answer(self.rfile.read(int(length)))

        def _answer(self, query: bytes) -> None:
            try:
                reply = authority.reply(query)
            except (ConfigError, OSError, subprocess.SubprocessError):
                self._finish(500)
                return
            self._finish(200, reply)

        def _finish(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Type", REPLY_TYPE if body else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Stay silent: a test's output is the test's."""

    return Handler


def _make_authority(folder: Path, key_kind: str, valid_days: int) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS),
    }
    if key_kind not in makers:
        raise ConfigError(f"expected one of {', '.join(makers)} as key, found {key_kind}")
    root_key, key = makers[key_kind](), makers[key_kind]()
    begin = datetime.fromtimestamp(int(time.time()), UTC) - timedelta(minutes=5)
    root_name, name = _name("Test timestamp root, not for production"), _name("Test timestamp authority")
    root = (
        _builder(root_name, root_name, root_key.public_key(), begin, _CA_YEARS * 365)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    certificate = (
        _builder(name, root_name, key.public_key(), begin, valid_days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    private = folder / KEY_FILE
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / CA_FILE).write_bytes(root.public_bytes(Encoding.PEM))
    # What openssl sends as `certs` comes after the signer's own certificate.
    (folder / CHAIN_FILE).write_bytes(root.public_bytes(Encoding.PEM))
    (folder / CERTIFICATE_FILE).write_bytes(certificate.public_bytes(Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, begin: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + days * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _write_config(folder: Path, *, sends_chain: bool) -> None:
    """Write what `openssl ts` reads; see ts(1), section "CONFIGURATION FILE OPTIONS"."""
    lines = [
        "[tsa]",
        f"serial = {folder / 'serial'}",
        f"signer_cert = {folder / CERTIFICATE_FILE}",
        f"signer_key = {folder / KEY_FILE}",
        "signer_digest = sha256",
        f"default_policy = {POLICY}",
        "digests = sha256, sha384, sha512",
        "accuracy = secs:1",
        "clock_precision_digits = 3",
        "ordering = no",
        "tsa_name = no",
        "ess_cert_id_chain = no",
        "ess_cert_id_alg = sha256",
    ]
    if sends_chain:
        lines.append(f"certs = {folder / CHAIN_FILE}")
    (folder / _CONFIG_FILE).write_text("\n".join([*lines, ""]), encoding="utf-8")
