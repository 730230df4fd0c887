"""What a rule is: something that a standard asks for, citable by its id.

A rule says what it rests on, when it is looked at, who switches it on, and what would be accepted instead. The code
that looks stands beside the rule, in the module of its family.
"""

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
    GUIDANCE = "guidance"
    """The cited text says SHOULD."""


class Moment(enum.Enum):
    """When a rule is looked at."""

    REGISTRATION = "registration"
    """When a schema, package, data asset or agreement enters the directory."""
    DOCUMENT = "document"
    """On every document, by itself."""
    FLOW = "flow"
    """Over a flow of documents, or between a document and those who are to get it."""


class Profile(enum.StrEnum):
    """A set of rules that a deployment or an agreement switches on."""

    CORE = "core"
    """CloudEvents, DRM, Avro, records, signatures: always on."""
    US_FEDERAL = "us-federal"
    """What binds agencies of the United States: bureau codes, 36 CFR 1236, FIPS 199."""
    NIEM = "niem"
    """NIEM NDR 6.0 on names and on XML and JSON messages."""
    DCAT_US = "dcat-us"
    """DCAT-US 1.1 and 3.0 on data assets and access."""
    CUI = "cui"
    """Controlled unclassified information, 32 CFR 2002."""
    NSS = "nss"
    """National security systems: CNSA 2.0."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, citable by its id."""

    id: str
    citation: str
    """Standard and section, such as ``CloudEvents 1.0, Required Attributes``."""
    severity: Severity
    basis: Basis
    profile: Profile
    moments: tuple[Moment, ...]
    explanation: str
    """One or two sentences for a person: what must be so."""
    accepted: str
    """What would be accepted, for the receipt of a document that was not: one sentence without its values."""
    passing: str
    """An example that the rule lets pass, as YAML (``govbus.testing.rule_examples`` says in which form)."""
    failing: str
    """An example that it does not."""
