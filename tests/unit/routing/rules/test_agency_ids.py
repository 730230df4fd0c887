"""Identifiers in schemes of others: each by its own rules and list, and one URN for all of them."""

from __future__ import annotations

import pytest

from govbus.document.finding import Severity
from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists
from govbus.routing.rules.agency_ids import SCHEMES, ParticipantUrn, external_id_breaches
from govbus.testing.rule_examples import run_example

_LISTS = CodeLists.shipped()


def _found(scheme: str, value: str) -> list[Severity | None]:
    breaches = list(external_id_breaches(scheme, value, _LISTS, 0))
    assert all((one.rule, one.field) == ("ID-1", f"external_ids.{scheme}") for one in breaches)
    return [one.severity for one in breaches]


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("us-omb", "015:45"),
        ("us-omb", "007:00"),
        ("us-cgac", "020"),
        ("iso6523", "0007:5567125082"),
        ("iso6523", "0088::7315458756324"),
        ("iso6523", "iso6523-actorid-upis::0192:987654325"),
        ("xroad", "EE/GOV/70006317"),
        ("xroad", "EE-test/GOV/70006317/traffic.registry=(main)?"),
        ("lei", "5493001KJTIIGC8Y1R12"),
        ("lei", "F50EOCWSQFAUVO9Q8Z97"),
        ("uei", "ZQGGHJH74DW7"),
    ],
)
def test_accepted(scheme: str, value: str):
    """An identifier in its scheme's form, and in its list where there is one, has no finding."""
    assert _found(scheme, value) == []


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("us-omb", "018:001"),
        ("us-omb", "0018:00"),
        ("us-omb", "15:45"),
        ("us-omb", "015-45"),
        ("us-omb", "015:45\n"),
        ("us-omb", "\u0660\u0661\u0665:\u0664\u0665"),
        ("us-cgac", "n/a"),
        ("us-cgac", "20"),
        ("us-cgac", "0200"),
        ("iso6523", "7:5567125082"),
        ("iso6523", "0007"),
        ("iso6523", "0007:"),
        ("iso6523", "0007:55 67"),
        ("iso6523", "9915:123"),
        ("xroad", "EE/GOV"),
        ("xroad", "EE/GOV/1/2/3"),
        ("xroad", "EE//70006317"),
        ("xroad", "EE/GOV/7000%2F"),
        ("xroad", "EE/GOV/ministère"),
        ("lei", "5493001KJTIIGC8Y1R13"),
        ("lei", "5493001KJTIIGC8Y1R1"),
        ("lei", "5493001kjtiigc8y1r12"),
        ("uei", "0QGGHJH74DW7"),
        ("uei", "ZQGGHJH74DWO"),
        ("uei", "ZQGGHJH74DW"),
        ("duns", "123456789"),
        ("us-omb", ""),
        ("xroad", "EE/GOV/" + "7" * 255),
    ],
)
def test_refused(scheme: str, value: str):
    """One thing out of form is one finding that refuses; 018:001 passes the federal JSON Schema, not us (trap 1)."""
    assert _found(scheme, value) == [None]


@pytest.mark.parametrize(("scheme", "value"), [("us-omb", "999:99"), ("iso6523", "0999:1")])
def test_not_in_the_list_in_force(scheme: str, value: str):
    """The lists are older than some agencies, so an unknown code is a warning."""
    assert _found(scheme, value) == [Severity.WARN]


def test_peppol_takes_other_codes_than_iso():
    """9915 is an electronic address scheme of Peppol's: no list of one scheme is taken for another's."""
    (breach,) = external_id_breaches("iso6523", "9915:123", _LISTS, 0)
    assert "Peppol" in breach.detail


@pytest.mark.parametrize(
    ("scheme", "value", "text"),
    [
        ("us-omb", "015:45", "urn:govbus:org:us-omb:015:45"),
        ("iso6523", "0007:5567125082", "urn:govbus:org:iso6523:0007:5567125082"),
        ("xroad", "EE/GOV/1/a?b", "urn:govbus:org:xroad:EE/GOV/1/a%3Fb"),
        ("xroad", "a%b ü", "urn:govbus:org:xroad:a%25b%20%C3%BC"),
    ],
)
def test_participant_urns(scheme: str, value: str, text: str):
    """An identifier is written as a URN and read again without any difference."""
    assert str(ParticipantUrn(scheme, value)) == text
    assert ParticipantUrn.from_text(text) == ParticipantUrn(scheme, value)


def test_a_urn_may_begin_in_capitals():
    """RFC 8141: scheme and namespace of a URN know no case."""
    assert ParticipantUrn.from_text("URN:GovBus:org:lei:X") == ParticipantUrn("lei", "X")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "urn:govbus:org:",
        "urn:govbus:org:us-omb",
        "urn:govbus:org:us-omb:",
        "urn:govbus:org:US_OMB:1",
        "urn:other:org:us-omb:015:45",
        "urn:govbus:org:xroad:a b",
        "urn:govbus:org:xroad:a%",
        "urn:govbus:org:xroad:a%FF",
        "urn:govbus:org:xroad:" + "a" * 1_000,
    ],
)
def test_other_texts_are_no_participant_urns(text: str):
    """What is not of the form is refused under ID-1."""
    with pytest.raises(MetadataError) as caught:
        ParticipantUrn.from_text(text)
    assert caught.value.rule == "ID-1"


def test_unknown_schemes_are_answered_with_the_known_ones():
    """Whoever registers an agency reads which schemes there are."""
    (breach,) = external_id_breaches("duns", "1", _LISTS, 0)
    assert all(scheme in breach.detail for scheme in SCHEMES)


@pytest.mark.parametrize(
    ("external_ids", "severity"),
    [
        ("{us-omb: '018:001'}", Severity.REFUSE),
        ("{duns: '1'}", Severity.REFUSE),
        ("{us-omb: '999:99'}", Severity.WARN),
    ],
)
def test_an_agency_is_registered_with_identifiers_in_form(external_ids: str, severity: Severity):
    """A wrong identifier of an agency is found when the directory is registered, at its place in the file."""
    (finding,) = run_example(f"agency: {{external_ids: {external_ids}}}").registration
    assert (finding.rule, finding.severity) == ("ID-1", severity)
    assert finding.field.startswith("agencies/tax.example.yaml: external_ids.")
