"""The whole tree of exceptions, and for each what the service loop does about it.

The type says who recovers: every class carries a `Disposition`, and `govbus.service` holds the single
``match`` on it. Messages are lower case and say what was expected, what was found, and in which document;
they never repeat payload, personal data or key material.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class Disposition(enum.Enum):
    """What the service loop does about an error."""

    RETRY = "retry"
    """Try the same thing again after a pause: the world is expected to change."""
    QUARANTINE = "quarantine"
    """Put the document aside with a finding and go on: it will never be acceptable as it is."""
    HALT = "halt"
    """Stop the process: going on would do harm, and a person has to look."""


class GovbusError(Exception):
    """Base of every error that govbus raises on purpose."""

    disposition: ClassVar[Disposition] = Disposition.HALT

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        """One sentence on what to do next; empty where only the caller can know."""

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class ConfigError(GovbusError):
    """Settings, keys or directory files that cannot be used."""


class DirectoryError(ConfigError):
    """A directory that does not validate, is not signed, or is older than one already seen."""


class MissingPartError(ConfigError):
    """Something the machine lacks (a program, a file, a server); the remedy says how to get it."""


class RuleError(GovbusError):
    """A document breaks a rule; the error names the rule and the field, so that a finding can."""

    disposition = Disposition.QUARANTINE

    def __init__(self, message: str, *, rule: str = "", field: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.rule = rule
        """The rule id, such as ``CE-2``; empty where the error was raised outside any rule."""
        self.field = field
        """The header, statement line or field at fault, such as ``ce_id``."""


class DocumentError(RuleError):
    """A document that will never be acceptable as it is."""


class MetadataError(DocumentError):
    """An identifier, header or statement that breaks its grammar."""


class SchemaError(DocumentError):
    """An unknown schema, or a value that its schema does not describe."""


class VerificationError(RuleError):
    """A signature, hash or proof that does not hold."""


class SignatureError(VerificationError):
    """A signature that is missing, malformed or wrong."""


class AlgorithmError(SignatureError):
    """A signature algorithm outside the pinned list, or one that does not fit the key (rule SEC-4)."""


class UntrustedKeyError(VerificationError):
    """A certificate that is unknown, not valid at the time, or bound to somebody else (rule SEC-6)."""


class ProofError(VerificationError):
    """A Merkle proof that does not lead to the root."""


class NoteError(VerificationError):
    """A signed note or checkpoint that is malformed or not signed by a known key."""


class TimestampError(VerificationError):
    """An RFC 3161 timestamp that is refused, malformed, or not about what it is shown for."""


class SpoolError(GovbusError):
    """The spool cannot do what was asked."""


class SpoolFullError(SpoolError):
    """The spool reached its bound in size or age; nothing was taken, nothing was lost."""

    disposition = Disposition.RETRY


class SignerUnavailableError(GovbusError):
    """No key can sign at the moment: a token that is pulled out, or no certificate that is good for a document."""

    disposition = Disposition.RETRY


class AdapterError(GovbusError):
    """An adapter that cannot go on."""


class SourceUnavailableError(AdapterError):
    """The agency's system cannot be reached at the moment."""

    disposition = Disposition.RETRY


class SourceRejectedError(AdapterError):
    """The agency's system holds something the adapter cannot read; a person has to look."""


class TransportError(GovbusError):
    """The broker is unreachable or answered with an error that passes."""

    disposition = Disposition.RETRY


class FencedError(TransportError):
    """Another process took over this producer's work; it must be replaced, never retried."""


class WitnessError(GovbusError):
    """A witness that cannot be reached, or whose answer is not the cosignature that was asked for."""

    disposition = Disposition.RETRY


class WitnessConflictError(WitnessError):
    """The latest checkpoint that a witness cosigned has another size than was said; nothing about it is verified."""

    def __init__(self, message: str, *, size: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.size = size
        """Size of that checkpoint, as the witness says."""


class TransportConfigError(ConfigError):
    """The broker refuses what was asked for good: no such topic, no permission, wrong settings."""


class LogIntegrityError(GovbusError):
    """The message log contradicts itself: stop, never repair."""
