"""What the sample government exchanges: its agencies, topics, data assets and packages, as entries of a directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from govbus.document.ids import AgencyId

CIVIL_REGISTRY: Final = AgencyId("civil-registry.example")
POPULATION_REGISTER: Final = AgencyId("population-register.example")
TAX_OFFICE: Final = AgencyId("tax.example")
BUSINESS_REGISTRY: Final = AgencyId("business-registry.example")
LICENSING: Final = AgencyId("licensing.example")
PROCUREMENT: Final = AgencyId("procurement.example")
TREASURY: Final = AgencyId("treasury.example")
NOTARY_CHAMBER: Final = AgencyId("notary-chamber.example")
TRAFFIC_POLICE: Final = AgencyId("traffic-police.example")
COURT: Final = AgencyId("court.example")

Entry = dict[str, Any]
_TAXONOMY_ID: Final = "government-topics"
_TYPE_PREFIX: Final = "example."
_FOIA_PERSONAL: Final = "FOIA (b)(6) Personal Information"
_FOIA_TRADE: Final = "FOIA (b)(4) Trade Secrets and Commercial or Financial Information"
_FOIA_LAW: Final = "FOIA (b)(7) Law Enforcement"
_OPEN: Final[Entry] = {"status": "Unrestricted"}
_LANGUAGE: Final = "en"
NIEM_XML: Final = "application/niem+xml"
"""Media type of attachments that are NIEM XML messages."""


@dataclass(frozen=True, slots=True)
class ExchangeSource:
    """A package, and where its schema and message format lie."""

    package: Entry
    """All but its schemas."""
    schema: str
    """Place below ``schemas`` without the ending."""
    niem: Sequence[Entry] = ()
    """Message formats of the NIEM messages in its documents."""


def party(agency: AgencyId, office: str = "Service desk") -> Entry:
    """Return an agency in a role, and whom to ask there."""
    return {"agency": agency.text, "contact": {"name": office, "email": f"desk@{agency}"}}


def _agency(agency: AgencyId, name: str, sector: str, **more: Any) -> Entry:
    return {"id": agency.text, "name": name, "sector": sector, "country": "USA", **more}


AGENCIES: Final[Sequence[Entry]] = (
    _agency(CIVIL_REGISTRY, "Civil Registry", "other"),
    _agency(POPULATION_REGISTER, "Population Register", "federal", external_ids={"us-omb": "006:07"}),
    _agency(TAX_OFFICE, "Tax Office", "federal", external_ids={"us-omb": "015:45", "us-cgac": "020"}),
    _agency(BUSINESS_REGISTRY, "Business Registry", "other"),
    _agency(LICENSING, "Licensing Authority", "other"),
    _agency(PROCUREMENT, "Procurement Agency", "federal", external_ids={"us-omb": "023:10"}),
    _agency(TREASURY, "Treasury", "federal", external_ids={"us-omb": "015:12", "us-cgac": "020"}),
    _agency(NOTARY_CHAMBER, "Chamber of Notaries", "other"),
    _agency(TRAFFIC_POLICE, "Traffic Police", "other"),
    _agency(COURT, "Court of First Instance", "other", lists=["fine-appeals"]),
)

TAXONOMY: Final[Entry] = {
    "id": _TAXONOMY_ID,
    "name": "Government topics",
    "description": "What documents of the government bus are about; kept by the government data office.",
    "topics": [
        {"id": "population", "name": "Population"},
        {"id": "births", "name": "Births", "broader": "population"},
        {"id": "marriages", "name": "Marriages", "broader": "population"},
        {"id": "economy", "name": "Economy"},
        {"id": "companies", "name": "Companies", "broader": "economy"},
        {"id": "licences", "name": "Licences and permits", "broader": "economy"},
        {"id": "procurement", "name": "Public procurement", "broader": "economy"},
        {"id": "justice", "name": "Justice"},
        {"id": "notarial-acts", "name": "Notarial acts", "broader": "justice"},
        {"id": "traffic-offences", "name": "Traffic offences", "broader": "justice"},
        {"id": "finance", "name": "Public finance"},
        {"id": "payments", "name": "Payments", "broader": "finance"},
    ],
}


def _topic(topic: str) -> list[Entry]:
    return [{"taxonomy": _TAXONOMY_ID, "topic": topic}]


def _restricted(*specific: str) -> Entry:
    return {"status": "Restricted - Fully", "specific": list(specific)}


def _asset(holder: AgencyId, name: str, title: str, topic: str, access: Entry, **more: Any) -> Entry:
    """Return a data asset that is not public, unless told otherwise."""
    return {
        "id": f"{holder}/{name}",
        "title": title,
        "description": f"{title}: every entry since the register was opened, with its corrections.",
        "kind": "registry",
        "steward": party(holder, "Data steward"),
        "publisher": holder.text,
        "contact": party(holder)["contact"],
        "keywords": [topic, name],
        "access_level": "non-public",
        "topics": _topic(topic),
        "rights": "For the agencies and purposes of the exchange agreements only.",
        "languages": [_LANGUAGE],
        "frequency": "irregular",
        "access_restriction": access,
        "use_restriction": _OPEN,
        **more,
    }


_FEDERAL_TAX: Final[Entry] = {"bureau_codes": ["015:45"], "program_codes": ["015:000"]}
_FEDERAL_BUYER: Final[Entry] = {"bureau_codes": ["023:10"], "program_codes": ["023:000"]}

ASSETS: Final[Sequence[Entry]] = (
    _asset(CIVIL_REGISTRY, "births", "Register of births", "births", _restricted(_FOIA_PERSONAL)),
    _asset(CIVIL_REGISTRY, "marriages", "Register of marriages", "marriages", _restricted(_FOIA_PERSONAL)),
    _asset(BUSINESS_REGISTRY, "entities", "Business register", "companies", _restricted(_FOIA_PERSONAL)),
    _asset(LICENSING, "licences", "Register of licences", "licences", _restricted(_FOIA_PERSONAL)),
    _asset(
        PROCUREMENT,
        "notices",
        "Procurement notices",
        "procurement",
        _OPEN,
        kind="web-site",
        access_level="public",
        rights="Public; reuse is free.",
        frequency="R/P1D",
        landing_page="https://procurement.example/tenders",
        license="https://creativecommons.org/publicdomain/zero/1.0/",
        **_FEDERAL_BUYER,
    ),
    _asset(
        PROCUREMENT, "awards", "Award decisions", "procurement", _restricted(_FOIA_TRADE), **_FEDERAL_BUYER
    ),
    _asset(
        NOTARY_CHAMBER,
        "acts",
        "Notarial acts",
        "notarial-acts",
        _restricted(_FOIA_PERSONAL),
        kind="document-repository",
    ),
    _asset(TRAFFIC_POLICE, "fines", "Traffic fines", "traffic-offences", _restricted(_FOIA_LAW)),
    _asset(
        TAX_OFFICE,
        "refunds",
        "Tax refunds ordered",
        "payments",
        _restricted("FOIA (b)(3) Statute", _FOIA_PERSONAL),
        kind="database",
        system_of_records="https://tax.example/privacy/refunds",
        cui={"banner": "CUI//SP-TAX", "designation": "Controlled by: Tax Office"},
        **_FEDERAL_TAX,
    ),
    _asset(
        PROCUREMENT,
        "invoices",
        "Payments to contractors ordered",
        "payments",
        _restricted(_FOIA_TRADE),
        kind="database",
        **_FEDERAL_BUYER,
    ),
)


def _package(
    id_: str,
    name: str,
    description: str,
    steward: AgencyId,
    asset: str,
    topic: str,
    category: str,
    **more: Any,
) -> Entry:
    return {
        "id": id_,
        "name": name,
        "description": description,
        "steward": party(steward, "Data steward"),
        "data_asset": f"{steward}/{asset}",
        "types": [f"{_TYPE_PREFIX}{id_}.v1"],
        "classification": "confidential",
        "data_category": category,
        "access_level": "non-public",
        "frequency": "irregular",
        "delivery": "inbox",
        "topics": _topic(topic),
        **more,
    }


_PUBLIC: Final[Entry] = {"classification": "public", "access_level": "public", "delivery": "publish"}
_CITATION_SCHEMA: Final = "niem/traffic-citation.schema.json"
_CITATION: Final[Entry] = {
    "syntax": "json",
    "place": "body.niem_message",
    "files": [_CITATION_SCHEMA],
    "main": _CITATION_SCHEMA,
    "root": "cite:TrafficCitation",
    "context": {
        "nc": "https://docs.oasis-open.org/niemopen/ns/model/niem-core/6.0/",
        "j": "https://docs.oasis-open.org/niemopen/ns/model/domains/justice/6.0/",
        "cite": "https://traffic-police.example/niem/traffic-citation/1.0/",
    },
    "context_uri": "https://traffic-police.example/niem/traffic-citation/1.0/context.jsonld",
}
_MEASUREMENT_SCHEMA: Final = "niem/measurement.xsd"
_MEASUREMENT: Final[Entry] = {
    "syntax": "xml",
    "place": "body.evidence",
    "files": [_MEASUREMENT_SCHEMA],
    "main": _MEASUREMENT_SCHEMA,
    "root": "{https://traffic-police.example/niem/measurement/1.0/}Measurement",
    "media_type": NIEM_XML,
}

PACKAGES: Final[Sequence[ExchangeSource]] = (
    ExchangeSource(
        _package(
            "civil.birth",
            "Birth registration",
            "A birth as entered in the civil register; sent with the entry and with every correction.",
            *(CIVIL_REGISTRY, "births", "births", "sensitive-pii"),
        ),
        "domains/civil/birth/v1",
    ),
    ExchangeSource(
        _package(
            "civil.marriage",
            "Marriage registration",
            "A marriage as entered in the civil register; sent with the entry and with every correction.",
            *(CIVIL_REGISTRY, "marriages", "marriages", "sensitive-pii"),
        ),
        "domains/civil/marriage/v1",
    ),
    ExchangeSource(
        _package(
            "business.registration",
            "Business registration",
            "An entry of the business register; sent on the day of the entry.",
            *(BUSINESS_REGISTRY, "entities", "companies", "sensitive-pii"),
        ),
        "domains/business/registration/v1",
    ),
    ExchangeSource(
        _package(
            "licensing.licence",
            "Licence",
            "A decision about a licence; sent once it is final.",
            *(LICENSING, "licences", "licences", "non-sensitive-pii"),
        ),
        "domains/licensing/licence/v1",
    ),
    ExchangeSource(
        _package(
            "procurement.notice",
            "Procurement notice",
            "A notice about a public procurement; published every working day.",
            *(PROCUREMENT, "notices", "procurement", "non-pii"),
            **_PUBLIC,
            frequency="R/P1D",
            query_points=[
                {
                    "address": "https://procurement.example/api/notices",
                    "languages": ["HTTP GET"],
                    "name": "Search",
                }
            ],
        ),
        "domains/procurement/notice/v1",
    ),
    ExchangeSource(
        _package(
            "procurement.award",
            "Procurement award",
            "The result of a public procurement; sent with the award decision.",
            *(PROCUREMENT, "awards", "procurement", "non-sensitive-pii"),
        ),
        "domains/procurement/award/v1",
    ),
    ExchangeSource(
        _package(
            "justice.notarial-act",
            "Notarial act",
            "An authentic act with its text; sent to whom it has to be filed with.",
            *(NOTARY_CHAMBER, "acts", "notarial-acts", "sensitive-pii"),
        ),
        "domains/justice/notarial_act/v1",
    ),
    ExchangeSource(
        _package(
            "justice.traffic-fine",
            "Traffic fine",
            "A fine for a traffic offence, with the citation as a NIEM message; sent when it is issued.",
            *(TRAFFIC_POLICE, "fines", "traffic-offences", "sensitive-pii"),
        ),
        "domains/justice/traffic_fine/v1",
        (_CITATION, _MEASUREMENT),
    ),
    ExchangeSource(
        _package(
            "finance.payment-order",
            "Payment order",
            "An order to the treasury to pay; sent when the payment is released.",
            *(TAX_OFFICE, "refunds", "payments", "sensitive-pii"),
        ),
        "domains/finance/payment_order/v1",
    ),
)
