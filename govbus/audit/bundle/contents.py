"""What an evidence bundle holds, and its files (``docs/specs/bundle.md``).

A bundle is a set of files with fixed names, so that a shell script, a person and a program read the same thing.
Nothing in it is believed for standing there: `govbus.audit.bundle.check` and ``verify.sh`` prove every part from the
keys that the reader holds.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.document.encoding import from_base64url
from govbus.errors import ConfigError, RuleError
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate
from govbus.signing.jws import BATCH_TYP, DetachedSignature

FORMAT: Final = "govbus/bundle/v1"
SUMS: Final = "SHA256SUMS"
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
FILES_MAX: Final = 1000
BUNDLE_BYTES_MAX: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SignaturePart:
    """One signature with the certificates that lead from it to an anchor of the bus."""

    jws: bytes
    """As received: ``base64url(header)..base64url(signature)``."""
    certificate: bytes
    """DER."""
    anchor: bytes
    """DER, one of those in the bus's entry of the directory."""
    chain: tuple[bytes, ...] = ()
    """DER, between the two, the issuer of the certificate first."""


def path_of(part: SignaturePart) -> list[Certificate]:
    """Return the certificates from the signer's to the anchor's.

    Raises:
        UntrustedKeyError: if one is no certificate.
        AlgorithmError: if its key is outside the pinned list (rule SEC-4).
    """
    return [Certificate.from_der(der) for der in (part.certificate, *part.chain, part.anchor)]


@dataclass(frozen=True, slots=True)
class DirectoryPart:
    """The version of the directory that the decision rests on, as far as it concerns the document."""

    manifest: bytes
    jws: bytes
    entries: Mapping[str, bytes]
    """JSON octets of the entries by kind: ``agency`` and ``bus``; ``package`` and ``agreement`` where known."""


@dataclass(frozen=True, slots=True)
class TrustPart:
    """Keys, put in for convenience: whoever relies on a bundle compares them with those that he holds."""

    authority: tuple[bytes, ...]
    """Certificates of the governing authority, DER."""
    log_ed25519_pem: bytes
    log_ml_dsa_44_pem: bytes
    policy: str | None = None
    """C2SP tlog-policy with the keys of the witnesses."""
    tsa: tuple[bytes, ...] = ()
    """Certificates of time-stamping authorities or of their issuers, DER."""
    handovers: tuple[str, ...] = ()
    """Signed hand-overs of the log's keys, in order, where they were changed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about one document."""

    bus: str
    document_id: str
    statement: bytes
    headers: bytes
    """The lines that the statement's ``headers`` line is the hash of."""
    schema: bytes
    """RFC 8785 JSON of the schema that the statement names."""
    signatures: tuple[SignaturePart, ...]
    directory: DirectoryPart
    log_entry: bytes
    """Value of the log's record, frame included: what the leaf hash is over."""
    entry_proof: str
    """C2SP tlog-proof of the entry in its log partition."""
    trust: TrustPart
    value: bytes | None = None
    """Avro octets without the frame; None once the value was erased."""
    salt: bytes | None = None
    batch: bytes | None = None
    path: bytes = b""
    head_proof: str | None = None
    """C2SP tlog-proof of the checkpoint in `entry_proof` in the log of heads, cosigned as far as witnesses did."""
    timestamps: Mapping[str, bytes] = field(default_factory=dict)
    """RFC 3161 responses over the head's note text, by the name of the authority."""
    revocations: tuple[bytes, ...] = ()
    """CRLs and OCSP responses of that time, DER."""


def jws_parts(jws: bytes) -> tuple[bytes, bytes]:
    """Return the protected header as it stands, base64url, and the signature's octets.

    Raises:
        SignatureError: if it is not a detached JWS as govbus writes it (rule SEC-3).
    """
    DetachedSignature.from_bytes(jws)
    protected, _, signature = jws.partition(b"..")
    return protected, from_base64url(signature.decode("ascii"))


def openssl_signature(algorithm: Algorithm, octets: bytes) -> bytes:
    """Return a signature as the openssl command line takes it: ES256 as DER, all others as they are."""
    if algorithm is not Algorithm.ES256:
        return octets
    half = len(octets) // 2
    return utils.encode_dss_signature(
        int.from_bytes(octets[:half], "big"), int.from_bytes(octets[half:], "big")
    )


def files_of(evidence: Evidence) -> dict[str, bytes]:
    """Return the files that carry the evidence: path in the bundle to octets, without page, script and sums.

    Raises:
        SignatureError: if a signature is not a detached JWS (rule SEC-3).
    """
    files: dict[str, bytes] = {
        "bundle.json": _json({"format": FORMAT, "bus": evidence.bus, "document": evidence.document_id}),
        "document/statement": evidence.statement,
        "document/headers": evidence.headers,
        "document/schema.json": evidence.schema,
        "log/entry": evidence.log_entry,
        "log/entry.tlog-proof": evidence.entry_proof.encode("utf-8"),
    }
    optional = (
        ("document/value", evidence.value),
        ("document/salt", evidence.salt),
        ("document/batch", evidence.batch),
        ("document/path", evidence.path if evidence.batch is not None else None),
        ("log/head.tlog-proof", None if evidence.head_proof is None else evidence.head_proof.encode("utf-8")),
    )
    files.update({name: octets for name, octets in optional if octets is not None})
    for number, signature in enumerate(evidence.signatures, 1):
        files.update(_signature_files(f"signatures/{number}/", signature))
    files.update(_directory_files(evidence.directory))
    files.update({f"timestamps/{name}.tsr": der for name, der in evidence.timestamps.items()})
    files.update({f"revocations/{number}.der": der for number, der in enumerate(evidence.revocations, 1)})
    files.update(_trust_files(evidence.trust))
    return files


def _signature_files(folder: str, part: SignaturePart) -> dict[str, bytes]:
    signature = DetachedSignature.from_bytes(part.jws)
    protected, octets = jws_parts(part.jws)
    return {
        folder + "jws": part.jws,
        folder + "protected": protected,
        folder + "signature": openssl_signature(signature.algorithm, octets),
        folder + "algorithm": str(signature.algorithm).encode("ascii"),
        folder + "over": b"batch" if signature.typ == BATCH_TYP else b"statement",
        folder + "certificate.pem": _pem(part.certificate),
        folder + "chain.pem": b"".join(_pem(der) for der in part.chain),
        folder + "anchor.pem": _pem(part.anchor),
    }


def _directory_files(part: DirectoryPart) -> dict[str, bytes]:
    signature = DetachedSignature.from_bytes(part.jws)
    protected, octets = jws_parts(part.jws)
    return {
        "directory/manifest.json": part.manifest,
        "directory/jws": part.jws,
        "directory/protected": protected,
        "directory/signature": openssl_signature(signature.algorithm, octets),
        "directory/algorithm": str(signature.algorithm).encode("ascii"),
        **{f"directory/{kind}.json": octets for kind, octets in part.entries.items()},
    }


def _trust_files(part: TrustPart) -> dict[str, bytes]:
    files = {f"trust/authority-{number}.pem": _pem(der) for number, der in enumerate(part.authority, 1)}
    files["trust/log-ed25519.pub.pem"] = part.log_ed25519_pem
    files["trust/log-ml-dsa-44.pub.pem"] = part.log_ml_dsa_44_pem
    for number, note in enumerate(part.handovers, 1):
        files[f"trust/log-keys-{number}.note"] = note.encode("utf-8")
    if part.policy is not None:
        files["trust/policy"] = part.policy.encode("utf-8")
    files.update({f"trust/tsa-{number}.pem": _pem(der) for number, der in enumerate(part.tsa, 1)})
    return files


def evidence_of(files: Mapping[str, bytes]) -> Evidence:
    """Return the evidence in the files of a bundle; nothing in it is verified yet.

    Raises:
        ConfigError: naming the file that is missing or cannot be read.
    """
    try:
        about = json.loads(files["bundle.json"])
        if about.get("format") != FORMAT:
            raise ConfigError(f"expected a bundle of format {FORMAT}, found {str(about.get('format'))[:40]}")
        return Evidence(
            bus=str(about["bus"]),
            document_id=str(about["document"]),
            statement=files["document/statement"],
            headers=files["document/headers"],
            schema=files["document/schema.json"],
            signatures=tuple(_signature_part(files, folder) for folder in _signature_folders(files)),
            directory=DirectoryPart(
                files["directory/manifest.json"],
                files["directory/jws"],
                {
                    kind: files[name]
                    for kind in ("agency", "bus", "package", "agreement")
                    if (name := f"directory/{kind}.json") in files
                },
            ),
            log_entry=files["log/entry"],
            entry_proof=files["log/entry.tlog-proof"].decode("utf-8"),
            trust=trust_of(_below(files, "trust/")),
            value=files.get("document/value"),
            salt=files.get("document/salt"),
            batch=files.get("document/batch"),
            path=files.get("document/path", b""),
            head_proof=(
                files["log/head.tlog-proof"].decode("utf-8") if "log/head.tlog-proof" in files else None
            ),
            timestamps={name.removesuffix(".tsr"): der for name, der in _below(files, "timestamps/").items()},
            revocations=tuple(der for _, der in sorted(_below(files, "revocations/").items())),
        )
    except KeyError as err:
        raise ConfigError(f"the bundle lacks the file {err.args[0]}") from err
    except (ValueError, AttributeError, TypeError, IndexError, RecursionError) as err:
        raise ConfigError("a file of the bundle is not in the form of docs/specs/bundle.md") from err


def trust_of(files: Mapping[str, bytes]) -> TrustPart:
    """Return the keys in the files of a trust folder, named as in a bundle's ``trust/``.

    Raises:
        ConfigError: if the log's keys are missing, or a certificate cannot be read.
    """
    for name in ("log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"):
        if name not in files:
            raise ConfigError(f"the trust folder lacks {name}", remedy="lay it out like trust/ in a bundle")
    try:
        policy = files["policy"].decode("utf-8") if "policy" in files else None
    except UnicodeDecodeError as err:
        raise ConfigError("the policy in the trust folder is not UTF-8") from err
    return TrustPart(
        authority=_certificates(files, "authority"),
        log_ed25519_pem=files["log-ed25519.pub.pem"],
        log_ml_dsa_44_pem=files["log-ml-dsa-44.pub.pem"],
        policy=policy,
        tsa=_certificates(files, "tsa"),
        handovers=tuple(_handovers(files)),
    )


def _handovers(files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the hand-overs of log keys, in order, up to the first number that is not there."""
    for number in itertools.count(1):
        octets = files.get(f"log-keys-{number}.note")
        if octets is None:
            return
        try:
            yield octets.decode("utf-8")
        except UnicodeDecodeError as err:
            raise ConfigError("a hand-over of log keys in the trust folder is not UTF-8") from err


def _certificates(files: Mapping[str, bytes], prefix: str) -> tuple[bytes, ...]:
    return tuple(
        der
        for name, pem in sorted(files.items())
        if name.startswith(prefix) and name.endswith(".pem")
        for der in certificates_in(name, pem)
    )


def _signature_part(files: Mapping[str, bytes], folder: str) -> SignaturePart:
    return SignaturePart(
        files[folder + "jws"],
        certificates_in(folder + "certificate.pem", files[folder + "certificate.pem"])[0],
        certificates_in(folder + "anchor.pem", files[folder + "anchor.pem"])[0],
        certificates_in(folder + "chain.pem", files[folder + "chain.pem"])
        if files[folder + "chain.pem"]
        else (),
    )


def _signature_folders(files: Mapping[str, bytes]) -> list[str]:
    numbers = {name.split("/")[1] for name in files if name.startswith("signatures/")}
    return [f"signatures/{number}/" for number in sorted(numbers, key=lambda text: (len(text), text))]


def _below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): octets for name, octets in files.items() if name.startswith(folder)}


def certificates_in(name: str, pem: bytes) -> tuple[bytes, ...]:
    """Return the certificates of a PEM text, DER.

    Raises:
        ConfigError: naming the file, if it holds none.
    """
    try:
        return tuple(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem))
    except (ValueError, RuleError) as err:
        raise ConfigError(f"{name} holds no PEM certificate") from err


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode("utf-8")


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """Return the text of ``SHA256SUMS``: a line for each file but itself, sorted, as ``sha256sum`` writes it."""
    lines = (
        f"{hashlib.sha256(octets).hexdigest()}  {name}\n"
        for name, octets in sorted(files.items())
        if name != SUMS
    )
    return "".join(lines).encode("utf-8")
