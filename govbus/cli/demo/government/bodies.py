"""Payloads of the nine kinds of documents: the shipped example of each, with everything that differs invented anew."""

from __future__ import annotations

import base64
import copy
import functools
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from govbus.cli.demo.government.invention import Inventor
from govbus.routing.directory.model import Agreement
from govbus.schemas import bundled
from govbus.service.government_exchanges import NIEM_XML, PACKAGES

Body = dict[str, Any]


class Draft(NamedTuple):
    """A document before anything is derived: its record id, what it is about, and its payload as JSON."""

    record_id: str
    description: str
    body: Body


def draft(agreement: Agreement, inventor: Inventor, number: int) -> Draft:
    """Return one document under an agreement on one of the sample government's packages.

    Args:
        agreement: whose package says what kind of document it is.
        inventor: of everything that differs.
        number: of the document among those of the agreement.
    """
    package = agreement.package.text
    made = _DRAFTS[package](_example(package), inventor, number)
    if "initiating_party" in made.body:
        made.body["initiating_party"] = agreement.supplier.text
    return made


@functools.cache
def _example_text(package: str) -> str:
    schema = {source.package["id"]: source.schema for source in PACKAGES}[package]
    return (bundled.folder() / f"{schema}.example.json").read_text("utf-8")


def _example(package: str) -> Body:
    return copy.deepcopy(json.loads(_example_text(package)))


def _birth(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"B-{number:06d}"
    surname = inventor.surname()
    body |= {"registration_number": record_id, "registered_on": inventor.day(-1)}
    body["child"] |= {
        "name": inventor.person_name(surname),
        "sex": inventor.choice(("FEMALE", "MALE")),
        "born_on": inventor.day(-inventor.number(2, 9)),
        "born_at": f"{inventor.number(0, 23):02d}:{inventor.number(0, 59):02d}:00",
    }
    for parent in body["parents"]:
        parent |= {
            "name": inventor.person_name(surname),
            "born_on": inventor.birthday(20, 45),
            "nationalities": [inventor.country()],
            "residence": inventor.address(),
            "national_id": inventor.national_id(),
        }
    return Draft(record_id, "Birth as entered in the civil register.", body)


def _marriage(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"M-{number:06d}"
    body |= {
        "registration_number": record_id,
        "registered_on": inventor.day(-1),
        "celebrated_on": inventor.day(-inventor.number(2, 9)),
    }
    body["officiant"]["name"] = inventor.full_name()
    for spouse in body["spouses"]:
        spouse |= {
            "name": inventor.person_name(),
            "family_name_after": None,
            "born_on": inventor.birthday(21, 70),
            "nationalities": [inventor.country()],
            "status_before": inventor.choice(("SINGLE", "DIVORCED", "WIDOWED")),
            "residence": inventor.address(),
            "national_id": inventor.national_id(),
            "parents": [inventor.person_name()],
        }
    for witness in body["witnesses"]:
        witness["name"] = inventor.person_name()
    if inventor.is_so(60):
        body["regime"] = None
    return Draft(record_id, "Marriage as entered in the civil register.", body)


def _registration(body: Body, inventor: Inventor, number: int) -> Draft:
    entry = f"E-{number:06d}"
    owner = inventor.person_name()
    name, born_on = f"{owner['given_names'][0]} {owner['family_name']}", inventor.birthday(25, 75)
    share = inventor.number(26, 99)
    body |= {
        "event": inventor.choice(("FOUNDATION", "CHANGE")),
        "registered_on": inventor.day(-1),
        "effective_on": inventor.day(-1),
    }
    body["entity"] |= {
        "registration_number": inventor.registration_number(),
        "lei": inventor.lei(),
        "legal_name": inventor.enterprise(),
        "trade_names": [],
        "seat": inventor.address(),
        "electronic_address": f"office@enterprise-{number}.example",
    }
    body["capital"] |= {
        "authorized": inventor.money(50_000, 900_000),
        "paid_in": inventor.money(10_000, 50_000),
    }
    body["representatives"][0] |= {"name": owner, "born_on": born_on, "appointed_on": inventor.day(-1)}
    body["shareholders"][0] |= {"name": name, "born_on": born_on, "share_percent": str(share)}
    body["shareholders"][1] |= {"name": inventor.enterprise(), "share_percent": str(100 - share)}
    body["beneficial_owners"][0] |= {"name": owner, "born_on": born_on, "share_percent": str(share)}
    return Draft(entry, "Entry of the business register about a legal entity.", body)


def _licence(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"L-{number:06d}"
    body |= {
        "licence_number": record_id,
        "event": inventor.choice(("GRANTED", "RENEWED", "AMENDED")),
        "decided_on": inventor.day(-2),
        "valid_from": inventor.day(inventor.number(0, 30)),
        "valid_to": inventor.day(inventor.number(300, 1800)) if inventor.is_so(80) else None,
        "fee": inventor.money(40, 2_000),
    }
    body["holder"] |= {
        "name": inventor.enterprise(),
        "registration_number": inventor.registration_number(),
        "lei": inventor.lei(),
        "responsible_person": inventor.full_name(),
        "contact_email": f"office@enterprise-{number}.example",
    }
    body["decision"]["reference"] = f"LIC/{number}"
    return Draft(record_id, "Decision about a licence of an enterprise.", body)


def _notice(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"PN-{number:06d}"
    subject = inventor.choice(
        ("Ferry service", "Winter service on roads", "School meals", "Survey of bridges")
    )
    body |= {
        "notice_number": record_id,
        "ocid": f"ocds-example-{number}",
        "published_at": inventor.moment(-2),
        "title": f"{subject} {inventor.town()}",
        "estimated_value": inventor.money(20_000, 5_000_000),
    }
    body["submission"] |= {
        "deadline_at": inventor.moment(24 * inventor.number(20, 60)),
        "opening_at": None,
        "uri": f"https://procurement.example/tenders/{record_id}",
    }
    return Draft(record_id, "Notice about a public procurement.", body)


def _award(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"PA-{number:06d}"
    winner = inventor.money(20_000, 900_000)
    body |= {
        "award_number": record_id,
        "ocid": f"ocds-example-{number}",
        "notice": f"PN-{number:06d}",
        "awarded_on": inventor.day(-1),
        "standstill_until": inventor.day(10),
    }
    lot = body["lots"][0]
    for bidder in lot["bidders"]:
        bidder |= {
            "name": inventor.enterprise(),
            "registration_number": inventor.registration_number(),
            "offered": winner if bidder["is_winner"] else inventor.money(900_001, 999_999),
        }
    lot |= {"value": winner, "contract": None}
    return Draft(record_id, "Result of a public procurement, lot by lot.", body)


def _act(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"NA-{number:06d}"
    text = f"Act {number}: signed before the notary, read out and approved.\n"
    body |= {
        "repertory_number": f"{number}/A",
        "kind": inventor.choice(("COMPANY_FORMATION", "SHARE_TRANSFER", "POWER_OF_ATTORNEY")),
        "executed_at": inventor.moment(-30),
        "place": inventor.town(),
        "attachments": [
            {"name": f"act-{number}.txt", "media_type": "text/plain", "content": octets(text.encode("utf-8"))}
        ],
    }
    body["notary"]["name"] = inventor.full_name()
    person, entity = body["parties"]
    person |= {
        "name": inventor.full_name(),
        "born_on": inventor.birthday(20, 80),
        "address": inventor.address(),
        "national_ids": [inventor.national_id()],
    }
    person["identification"]["document_number"] = f"P-{inventor.number(10_000, 99_999)}"
    entity |= {"name": inventor.enterprise(), "registration_number": inventor.registration_number()}
    entity["represented_by"]["name"] = inventor.full_name()
    body["subject"]["description"] = f"Concerns {entity['name']}."
    return Draft(record_id, "Notarial act with its text.", body)


def _fine(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"TF-{number:06d}"
    name, born_on = inventor.person_name(), inventor.birthday(18, 80)
    plate, day, occurred_at = f"HC {inventor.number(1000, 9999)}", inventor.day(-2), inventor.moment(-40)
    speed, amount = inventor.number(60, 120), inventor.money(40, 900)
    body |= {"fine_number": record_id, "issued_at": inventor.moment(-30), "amount": amount}
    body["offence"]["occurred_at"] = occurred_at
    body["offence"]["measurement"]["measured"] = str(speed)
    body["vehicle"]["registration_plate"] = plate
    body["liable_person"] |= {
        "name": f"{' '.join(name['given_names'])} {name['family_name']}",
        "born_on": born_on,
        "address": inventor.address(),
        "driving_licence_number": f"D-{inventor.number(10_000, 99_999)}",
    }
    body["payment"] |= {
        "due_on": inventor.day(30),
        "iban": inventor.iban(),
        "reference": inventor.creditor_reference(record_id),
        "reduced_until": inventor.day(14),
    }
    body["appeal"]["until"] = inventor.day(14)
    citation = json.loads(body["niem_message"])
    fields = citation["cite:TrafficCitation"]
    fields["j:Citation"]["nc:ActivityIdentification"]["nc:IdentificationID"] = record_id
    fields["j:Citation"]["nc:ActivityDate"]["nc:Date"] = day
    fields["j:Citation"]["cite:CitationAmount"]["nc:Amount"] = amount["amount"]
    fields["j:CitationSubject"]["nc:RoleOfPerson"] = {
        "nc:PersonName": {
            "nc:PersonGivenName": name["given_names"][0],
            "nc:PersonSurName": name["family_name"],
        },
        "nc:PersonBirthDate": {"nc:Date": born_on},
    }
    fields["cite:CitationVehicle"]["cite:RegistrationPlateID"] = plate
    body["niem_message"] = json.dumps(citation)
    body["evidence"] = [measurement(occurred_at, str(speed))]
    return Draft(record_id, "Fine for a traffic offence, with the citation as a NIEM message.", body)


def measurement(moment: str, speed: str) -> Body:
    """Return a NIEM XML message about a measured speed, as an attachment."""
    message = (
        '<meas:Measurement xmlns:meas="https://traffic-police.example/niem/measurement/1.0/">'
        f"<meas:MeasurementDateTime>{moment}</meas:MeasurementDateTime>"
        f"<meas:MeasurementSpeedValue>{speed}</meas:MeasurementSpeedValue>"
        "<meas:MeasurementUnitText>km/h</meas:MeasurementUnitText></meas:Measurement>"
    )
    return {"name": "measurement.xml", "media_type": NIEM_XML, "content": octets(message.encode("utf-8"))}


def octets(content: bytes) -> dict[str, str]:
    """Return octets as they stand in JSON."""
    return {"base64": base64.b64encode(content).decode("ascii")}


def _order(body: Body, inventor: Inventor, number: int) -> Draft:
    record_id = f"PO-{number:06d}"
    payment = body["payments"][0]
    total = Decimal(0)
    for place, transfer in enumerate(payment["transactions"], 1):
        amount = inventor.money(20, 4_000)
        total += Decimal(amount["amount"])
        transfer |= {
            "end_to_end_id": f"R-{number}-{place}",
            "uetr": None,
            "amount": amount,
            "creditor": {"name": inventor.full_name(), "tax_id": f"T-{inventor.number(100_000, 999_999)}"},
            "creditor_account": {"iban": inventor.iban()},
            "creditor_reference": inventor.creditor_reference(f"R{number}{place}"),
            "remittance_text": None,
        }
    payment |= {"payment_information_id": f"{record_id}-1", "requested_execution_on": inventor.day(2)}
    body |= {
        "message_id": record_id,
        "created_at": inventor.moment(-1),
        "number_of_transactions": len(payment["transactions"]),
        "control_sum": str(total),
    }
    return Draft(record_id, "Order to the treasury to pay.", body)


_DRAFTS: Final[Mapping[str, Callable[[Body, Inventor, int], Draft]]] = {
    "civil.birth": _birth,
    "civil.marriage": _marriage,
    "business.registration": _registration,
    "licensing.licence": _licence,
    "procurement.notice": _notice,
    "procurement.award": _award,
    "justice.notarial-act": _act,
    "justice.traffic-fine": _fine,
    "finance.payment-order": _order,
}
"""What invents a document of each package."""
