"""Documents that break one rule each on purpose, family by family, and what has to become of them.

How a record can be wrong on the wire is told by `govbus.cli.demo.faults`; here it is what a document says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from govbus.cli.demo.government.bodies import Body, measurement, octets
from govbus.document.finding import Outcome

SUSPENDED: Final = "drill-suspended"
UNSCHEDULED: Final = "drill-unscheduled"
ABROAD: Final = "drill-abroad"
NSS: Final = "drill-nss"
CADENCE: Final = "drill-cadence"
HOUR_MS: Final = 3_600_000
_BIRTHS, _MARRIAGES, _LICENCES = "births", "marriages", "licences"
_NOTICES, _AWARDS = "procurement-notices", "procurement-awards"
_ACTS, _FINES, _REFUNDS = "notarial-acts", "traffic-fines", "tax-refunds"
_TAX_BANNER: Final = "CUI//SP-TAX//FED ONLY"
_HELD, _WARNED = Outcome.QUARANTINED, Outcome.ACCEPTED


@dataclass(frozen=True, slots=True)
class Violation:
    """One way for a document to be wrong; everything but what a field says is as in a good document."""

    kind: str
    description: str
    agreement: str
    rules: frozenset[str]
    """Every rule that has to be named, no more and no less."""
    outcome: Outcome = Outcome.REFUSED
    record: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the record metadata, put in place of the good ones as the last thing before encoding."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Body], Body] = dict
    """Changes the payload."""
    headers: Mapping[str, bytes] = field(default_factory=dict)
    """Headers in place of the good ones."""
    ahead_ms: int = 0
    """How far the document's clock is ahead."""


def _is(kind: str, description: str, agreement: str, *rules: str, **how: Any) -> Violation:
    return Violation(kind, description, agreement, frozenset(rules), **how)


def _message(change: Callable[[dict[str, Any]], Any]) -> Callable[[Body], Body]:
    """Return what changes the citation's NIEM JSON message; a text takes its place as it is."""

    def apply(body: Body) -> Body:
        message = json.loads(body["niem_message"])
        changed = change(message)
        return {**body, "niem_message": changed if isinstance(changed, str) else json.dumps(message)}

    return apply


def _evidence(change: Callable[[str], str]) -> Callable[[Body], Body]:
    """Return what changes the NIEM XML message among the evidence."""

    def apply(body: Body) -> Body:
        attachment = measurement("2026-01-31T10:00:00Z", "74")
        text = base64.b64decode(attachment["content"]["base64"]).decode("utf-8")
        return {**body, "evidence": [{**attachment, "content": octets(change(text).encode("utf-8"))}]}

    return apply


def _described(text: str) -> Callable[[Body], Body]:
    return lambda body: {**body, "description": text}


_CLOUDEVENTS = (
    _is(
        "clock-ahead",
        "A document from an hour ahead.",
        *(_BIRTHS, "CE-3"),
        ahead_ms=HOUR_MS,
    ),
    _is("time-malformed", "A time that is none.", _BIRTHS, "CE-3", headers={"ce_time": b"yesterday"}),
    _is(
        "classification-unknown",
        "A classification that nobody knows.",
        *(_BIRTHS, "CE-7"),
        attributes={"dataclassification": "secret-ish"},
    ),
    _is(
        "regulation-unknown",
        "A regulation that is on no list.",
        *(_BIRTHS, "CE-7"),
        attributes={"dataregulation": "PRIVACYACT,HOUSERULES"},
    ),
    _is(
        "title-in-a-header",
        "A title in the clear.",
        *(_LICENCES, "CE-8"),
        attributes={"title": "Licence"},
        outcome=_WARNED,
    ),
    _is(
        "expired-on-arrival",
        "A document that had expired before it was sent.",
        *(_LICENCES, "CE-9"),
        attributes={"expirytime": "2020-01-01T00:00:00Z"},
    ),
    _is(
        "recorded-before-made",
        "A document that was recorded before it was made.",
        *(_LICENCES, "CE-9"),
        attributes={"recordedtime": "2020-01-01T00:00:00Z"},
        outcome=_WARNED,
    ),
)

_DRM = (
    _is("agreement-suspended", "An agreement that is suspended.", SUSPENDED, "DRM-1"),
    _is(
        "topic-unknown",
        "A topic that no taxonomy has.",
        *(_AWARDS, "DRM-5"),
        record={"topics": [{"taxonomy": "government-topics", "topic": "weather"}]},
        outcome=_HELD,
    ),
    _is("no-topic", "No topic at all.", _AWARDS, "DRM-5", record={"topics": []}, outcome=_HELD),
    _is(
        "asset-unknown",
        "A data asset that nobody answers for.",
        *(_AWARDS, "DRM-6"),
        record={"data_asset": "procurement.example/attic"},
        outcome=_HELD,
    ),
)

_ENTITIES: Final = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
_NIEM = (
    _is(
        "niem-no-json",
        "A NIEM message that is no JSON.",
        *(_FINES, "NDR-13"),
        body=_message(lambda _: "{citation"),
    ),
    _is(
        "niem-no-context",
        "A NIEM JSON message without its context.",
        *(_FINES, "NDR-13"),
        body=_message(lambda message: message.pop("@context") and None),
    ),
    _is(
        "niem-undefined-key",
        "A NIEM JSON message with a key that no model defines.",
        *(_FINES, "NDR-13"),
        body=_message(lambda message: message["cite:TrafficCitation"].update({"driverName": "x"})),
    ),
    _is(
        "niem-format-broken",
        "A NIEM JSON message that lacks what its format requires.",
        *(_FINES, "NDR-13"),
        body=_message(lambda message: message["cite:TrafficCitation"].pop("j:Citation") and None),
    ),
    _is(
        "niem-xml-malformed",
        "A NIEM XML message that ends too soon.",
        *(_FINES, "NDR-12"),
        body=_evidence(lambda text: text[:-1]),
    ),
    _is(
        "niem-xml-invalid",
        "A NIEM XML message with a speed that is no number.",
        *(_FINES, "NDR-12"),
        body=_evidence(lambda text: text.replace(">74<", ">fast<")),
    ),
    _is(
        "niem-xml-entities",
        "A NIEM XML message that declares entities.",
        *(_FINES, "NDR-12"),
        body=_evidence(lambda text: _ENTITIES + text.replace("km/h", "&b;")),
    ),
)

_DCAT = (
    _is(
        "access-level-unknown",
        "An access level that DCAT-US does not have.",
        *(_AWARDS, "DCAT-1"),
        attributes={"accesslevel": "friends"},
    ),
    _is(
        "bureau-malformed",
        "A bureau code with a digit too many, which the official JSON Schema lets pass.",
        *(_AWARDS, "DCAT-2"),
        record={"bureau_code": ["018:001"]},
    ),
    _is(
        "bureau-not-in-table",
        "A bureau code that no table has.",
        *(_AWARDS, "DCAT-2"),
        record={"bureau_code": ["999:99"]},
        outcome=_WARNED,
    ),
    _is("no-rights", "Not public, and no word on rights.", _AWARDS, "DCAT-3", record={"rights": None}),
    _is(
        "designation-without-banner",
        "A CUI designation without a banner.",
        *(_AWARDS, "DCAT-5", "CUI-1"),
        record={"designation": {"controlled_by": "Procurement Agency"}},
    ),
)

_RECORDS = (
    _is("record-id-empty", "A record without an identifier.", _BIRTHS, "REC-1", record={"record_id": ""}),
    _is("no-schedule", "No records schedule anywhere.", UNSCHEDULED, "REC-2", outcome=_HELD),
    _is(
        "schedule-contradicts-itself",
        "A permanent record that is to be destroyed.",
        *(_BIRTHS, "REC-2"),
        record={
            "records_schedule": {
                "authority": "DAA-0999-2024-0001-0001",
                "retention_type": "Permanent",
                "final_disposition": "Destroy",
            }
        },
        outcome=_WARNED,
    ),
    _is(
        "restricted-without-reason",
        "Access restricted, and nothing says why.",
        *(_BIRTHS, "REC-3"),
        record={"access_restriction": {"status": "Restricted - Fully", "specific": []}},
    ),
    _is(
        "creator-unknown",
        "A creator of an agency that is not registered.",
        *(_BIRTHS, "REC-4"),
        record={"creator": {"name": "Somebody", "organization": "nobody.example"}},
    ),
    _is("no-description", "A record without a description.", _BIRTHS, "REC-4", record={"description": " "}),
    _is(
        "relations-contradict",
        "A record that is part and whole of another.",
        *(_ACTS, "REC-5"),
        record={"relations": [{"rel": "hasPart", "id": "NA-1"}, {"rel": "isPartOf", "id": "NA-1"}]},
        outcome=_WARNED,
    ),
    _is(
        "digest-of-nothing",
        "A digest of an attachment that is not there.",
        *(_ACTS, "REC-6"),
        record={"digests": [{"attachment": "annex.pdf", "alg": "sha-256", "hex": "0" * 64}]},
    ),
    _is(
        "digest-weak",
        "A digest by MD5.",
        *(_ACTS, "REC-6"),
        record={
            "digests": [{"attachment": "https://notary-chamber.example/a", "alg": "md5", "hex": "0" * 32}]
        },
    ),
)

_CUI = (
    _is(
        "banner-unknown-category",
        "A banner with a category that the registry does not have.",
        *(_REFUNDS, "CUI-1"),
        attributes={"cuibanner": "CUI//SP-GOSSIP"},
    ),
    _is(
        "banner-contradicts-itself",
        "A banner for federal employees only, and for contractors too.",
        *(_REFUNDS, "CUI-2"),
        attributes={"cuibanner": "CUI//SP-TAX//FED ONLY/FEDCON"},
    ),
    _is(
        "no-designation",
        "Marked, and nobody has designated it.",
        *(_REFUNDS, "CUI-3"),
        attributes={"cuibanner": _TAX_BANNER},
        record={"designation": None},
    ),
    _is(
        "no-end-of-control",
        "Marked, and nothing says until when.",
        *(_REFUNDS, "CUI-4"),
        attributes={"cuibanner": _TAX_BANNER},
        record={"designation": {"controlled_by": "Tax Office"}},
        outcome=_WARNED,
    ),
    _is(
        "consumer-may-not-have-it",
        "For federal employees only, to a court that is not federal.",
        *(ABROAD, "CUI-5"),
        attributes={"cuibanner": _TAX_BANNER},
    ),
    _is(
        "classified",
        "A banner of classified information.",
        *(_REFUNDS, "CUI-6"),
        attributes={"cuibanner": "SECRET//NOFORN"},
    ),
    _is(
        "cui-with-low-impact",
        "Marked, and said to do little harm when it leaks.",
        *(_REFUNDS, "CUI-7"),
        attributes={"cuibanner": _TAX_BANNER},
        record={"sc": {"c": "LOW", "i": "HIGH", "a": "MOD"}},
    ),
)

_SECURITY = (
    _is(
        "not-applicable",
        "Confidentiality not applicable, and the document not public.",
        *(_MARRIAGES, "SEC-1"),
        record={"sc": {"c": "NA", "i": "MOD", "a": "MOD"}},
    ),
    _is(
        "above-the-agreement",
        "More impact than the parties agreed on.",
        *(_BIRTHS, "SEC-2"),
        record={"sc": {"c": "MOD", "i": "MOD", "a": "HIGH"}},
    ),
    _is("no-post-quantum-signature", "A national security exchange, signed with Ed25519.", NSS, "SEC-5"),
    _is(
        "classification-above",
        "Restricted, where the agreement ends at confidential.",
        *(_BIRTHS, "SEC-8"),
        attributes={"dataclassification": "restricted"},
    ),
    _is(
        "category-not-agreed",
        "A CUI category that the agreement does not name.",
        *(_REFUNDS, "SEC-8"),
        attributes={"cuibanner": "CUI//SP-PRVCY"},
    ),
    _is(
        "encrypted",
        "An encrypted payload, which nobody agreed to.",
        *(_BIRTHS, "SEC-9"),
        attributes={"encryption": "hpke"},
    ),
)

_PRIVACY = (
    _is(
        "category-beyond-purpose",
        "Sensitive personal data, which authority and purpose do not cover.",
        *(_LICENCES, "PRV-1"),
        attributes={"datacategory": "sensitive-pii"},
    ),
    _is(
        "declared-less-than-marked",
        "Personal data declared less sensitive than the schema marks them.",
        *(_BIRTHS, "PRV-2"),
        attributes={"datacategory": "non-sensitive-pii"},
    ),
    _is(
        "number-of-a-person",
        "What looks like a social security number, in a public notice.",
        *(_NOTICES, "PRV-2"),
        body=_described("Ask the person with number 078-05-1120."),
        outcome=_HELD,
    ),
    _is(
        "number-of-a-card",
        "What looks like a payment card number, in a public notice.",
        *(_NOTICES, "PRV-2"),
        body=_described("Pay with card 4111 1111 1111 1111."),
        outcome=_HELD,
    ),
)

_IDENTIFIERS = (
    _is(
        "id-without-time",
        "An id that is no UUIDv7.",
        *(_LICENCES, "ID-2"),
        headers={"ce_id": b"licence-17"},
        outcome=_WARNED,
    ),
    _is(
        "language-malformed",
        "A language that is no BCP 47 tag.",
        *(_LICENCES, "LNG-1"),
        record={"language": "en_US"},
        outcome=_WARNED,
    ),
)

_FLOW = (
    _is(
        "test-in-earnest",
        "A test under a live agreement.",
        _LICENCES,
        "TST-1",
        attributes={"testmode": "true"},
    ),
    _is(
        "earnest-in-test",
        "The real thing under an agreement for tests.",
        *("licences-test", "TST-1"),
        attributes={"testmode": ""},
    ),
)

CADENCE_FIRST: Final = _is("on-time", "The first of two deliveries.", CADENCE, outcome=_WARNED)
"""A good document; the next delivery under its agreement is due an interval later."""
CADENCE_SECOND: Final = _is(
    "too-soon", "A delivery long before the next one is due.", CADENCE, "DRM-7", outcome=_WARNED
)
"""Sent by the outbox of `CADENCE_FIRST`, `CADENCE_PAUSE_MS` or more after it."""
CADENCE_PAUSE_MS: Final = 2_500
CADENCE_FREQUENCY: Final = "R/PT20S"
"""Documents within a tenth of it are one delivery, so a pause of over two seconds begins another."""

VIOLATIONS: Final = (
    *_CLOUDEVENTS,
    *_DRM,
    *_NIEM,
    *_DCAT,
    *_RECORDS,
    *_CUI,
    *_SECURITY,
    *_PRIVACY,
    *_IDENTIFIERS,
    *_FLOW,
)
"""Every kind of wrong document that stands for itself."""
