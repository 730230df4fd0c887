"""The rules that the path of a document needs, each with its citation (``docs/rules.md``)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from govbus.document.finding import Severity


class Basis(enum.Enum):
    """What a rule rests on."""

    NORM = "norm"
    """The cited text says MUST."""
    PROFILE = "profile"
    """govbus's own choice that implements an abstract requirement of the cited text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, citable by its id."""

    id: str
    citation: str
    severity: Severity
    basis: Basis
    explanation: str


def _rule(id_: str, citation: str, severity: Severity, basis: Basis, explanation: str) -> tuple[str, Rule]:
    return id_, Rule(id_, citation, severity, basis, explanation)


_R, _Q = Severity.REFUSE, Severity.QUARANTINE
_N, _P = Basis.NORM, Basis.PROFILE

RULES: dict[str, Rule] = dict(
    (
        _rule(
            "CE-1",
            "CloudEvents 1.0, Required Attributes; govbus metadata model",
            _R,
            _N,
            "Every required attribute is present and not empty, and specversion is 1.0.",
        ),
        _rule(
            "CE-2",
            "CloudEvents 1.0, Naming Conventions and Type System",
            _R,
            _N,
            "Attribute names are a-z and 0-9, no value has control characters, and none stands twice.",
        ),
        _rule(
            "CE-4",
            "CloudEvents 1.0, id and source",
            _R,
            _N,
            "A source never uses one id for two different documents; the same document again is answered, "
            "not delivered again.",
        ),
        _rule(
            "CE-5",
            "CloudEvents 1.0, dataschema and datacontenttype",
            _R,
            _N,
            "dataschema is an absolute URI of a registered schema and content-type is application/avro.",
        ),
        _rule(
            "CE-6",
            "CloudEvents Kafka Protocol Binding 1.0, section 3.2",
            _R,
            _N,
            "Headers are UTF-8 with values, and a document is never a null value.",
        ),
        _rule(
            "DRM-1",
            "FEA DRM 2.0, section 6.4 Exchange Package; NIST SP 800-53 CA-3",
            _R,
            _P,
            "agreementid names an agreement that is active and in its validity, for a registered package "
            "that has this type of document.",
        ),
        _rule(
            "DRM-2",
            "FEA DRM 2.0, section 6.4 Supplier and Consumer; NIST SP 800-53 AC-4",
            _R,
            _P,
            "The sender is the agreement's supplier, and every recipient is one of its consumers.",
        ),
        _rule(
            "AVR-1",
            "Apache Avro specification, Encodings",
            _R,
            _N,
            "The value decodes with the registered writer schema and nothing is left over.",
        ),
        _rule(
            "AVR-4",
            "Confluent wire format",
            _R,
            _P,
            "The frame's schema id, dataschema and the statement's schema hash name one registered schema.",
        ),
        _rule(
            "SEC-3",
            "NIST SP 800-53 AU-10; CloudEvents verifiability",
            _R,
            _P,
            "A signature by a key of the origin's agency covers a well-formed statement about exactly these "
            "bytes, headers, topic and key.",
        ),
        _rule(
            "SEC-4",
            "FIPS 186-5, FIPS 204, NIST SP 800-131A",
            _R,
            _N,
            "The algorithm is one of the pinned ones and fits the certificate's key.",
        ),
        _rule(
            "SEC-6",
            "NIST SP 800-53 SC-17, SC-12",
            _R,
            _N,
            "The certificate is in the directory, issued by an approved anchor, bound to the agency, and "
            "valid and unrevoked at the statement's time.",
        ),
        _rule(
            "SEQ-1",
            "CloudEvents sequence extension; wire format, statement index",
            _R,
            _P,
            "Indexes of one origin are dense: a gap holds the document until the missing ones arrive, an "
            "index that was used is refused for another document.",
        ),
        _rule(
            "ID-1",
            "OMB Circular A-11 appendix C; ISO 6523",
            _R,
            _N,
            "The sending agency is registered and source is the URI of this origin.",
        ),
        _rule(
            "LIM-1",
            "govbus wire format, limits",
            _R,
            _P,
            "Headers stay within the limits on number and size.",
        ),
        _rule(
            "LIM-2",
            "govbus wire format, limits",
            _R,
            _P,
            "The value stays within the limit on size.",
        ),
        _rule(
            "INT-1",
            "govbus, internal",
            _Q,
            _P,
            "The router met a document that it could not judge; it is held for a person, and others go on.",
        ),
    )
)
"""Every rule by its id, in the order of ``docs/rules.md``."""
