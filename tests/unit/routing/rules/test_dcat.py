"""DCAT-US: the traps of its official schemas, on data assets and on documents."""

import pytest

from govbus.document.finding import Outcome, Severity
from govbus.routing.codes import CodeLists
from govbus.testing.rule_examples import run_example

AT_MS = 1_795_466_700_000
CODES = CodeLists.shipped()


def found(text, rule):
    """Returns what a rule finds in an example: severity and field of each finding."""
    return [(one.severity.value, one.field) for one in run_example(text).of_rule(rule)]


@pytest.mark.parametrize("code", ["018:001", "0015:45", "015:45 ", "15:45", "015-45", "015:4५"])
def test_bureau_codes_are_anchored(code):
    """A code that the unanchored pattern of the official schema lets pass is refused, in a record and an asset."""
    assert [("R", "record.bureau_code.0")] == found(f'record: {{bureau_code: ["{code}"]}}', "DCAT-2")
    if code.strip() == code:
        expected = [("R", "assets/assessments.yaml: bureau_codes.0")]
        assert expected == found(f'asset: {{bureau_codes: ["{code}"]}}', "DCAT-2")


@pytest.mark.parametrize("code", ["015:0001", "000-000", "A15:001"])
def test_programme_codes_are_anchored(code):
    """So is a programme code; the sentinel that the inventory spells 000-000 is written 000:000."""
    assert [("R", "record.program_code.0")] == found(f'record: {{program_code: ["{code}"]}}', "DCAT-2")
    assert [] == found('record: {program_code: ["000:000"]}', "DCAT-2")


def test_codes_that_no_list_has():
    """A code of the right form that the list in force lacks is a warning: the document is delivered."""
    result = run_example('record: {bureau_code: ["999:99"], program_code: ["999:999"]}')

    assert Outcome.ACCEPTED is result.outcome
    assert [("W", "record.bureau_code.0"), ("W", "record.program_code.0")] == [
        (one.severity.value, one.field) for one in result.of_rule("DCAT-2")
    ]


def test_bureaus_without_a_cgac_code():
    """A bureau that Treasury has no CGAC code for is one all the same: those of the Department of Defense."""
    bureaus = CODES.codes("omb-bureaus", AT_MS)
    without = [code for code, facts in bureaus.items() if not facts.get("cgac")]

    assert 28 == len(without)
    assert "007:10" in without
    assert [] == found('record: {bureau_code: ["007:10"]}', "DCAT-2")


def test_redaction_strings():
    """DCAT-US 1.1 lets any value be a redaction string; something around it makes it none."""
    redacted = "[[REDACTED-EX B6]]"
    assert [] == found(f'record: {{bureau_code: ["{redacted}"], rights: "{redacted}"}}', "DCAT-2")
    assert [] == found(f'record: {{rights: "{redacted}"}}', "DCAT-3")
    asset = f'asset: {{bureau_codes: ["{redacted}"], landing_page: "{redacted}", temporal: "{redacted}"}}'
    assert () == run_example(asset).registration
    assert [("R", "record.bureau_code.0")] == found(f'record: {{bureau_code: ["{redacted}]"]}}', "DCAT-2")


@pytest.mark.parametrize("rights", ["null", "''", "'  '", "'" + "x" * 256 + "'"])
@pytest.mark.parametrize("level", ["non-public", "restricted public"])
def test_rights_of_what_is_not_public(rights, level):
    """Rights are required unless public, which stands in the prose of DCAT-US 1.1 and not in its schema."""
    text = f"headers: {{ce_accesslevel: {level}}}\nrecord: {{rights: {rights}}}"
    assert [("R", "record.rights")] == found(text, "DCAT-3")


def test_rights_of_what_is_public():
    """What is public needs no rights, but a text that is too long stays one."""
    assert [] == found("headers: {ce_accesslevel: public}\nrecord: {rights: null}", "DCAT-3")
    long = "headers: {ce_accesslevel: public}\nrecord: {rights: " + "x" * 256 + "}"
    assert [("R", "record.rights")] == found(long, "DCAT-3")
    assert [] == found("record: {rights: " + "x" * 255 + "}", "DCAT-3")


def test_rights_of_an_asset():
    """A data asset that is not public says why; a public one need not."""
    place = "assets/assessments.yaml: rights"
    assert [("R", place)] == found("asset: {rights: null}", "DCAT-3")
    assert [] == found("asset: {rights: null, access_level: public}", "DCAT-3")


@pytest.mark.parametrize("level", ["secret", "open", "Public"])
def test_access_levels(level):
    """An access level that DCAT-US does not know is refused."""
    assert ("R", "ce_accesslevel") in found(f"headers: {{ce_accesslevel: {level}}}", "DCAT-1")


@pytest.mark.parametrize(
    "field", ["keywords", "bureau_codes", "program_codes", "title", "description", "modified", "access_level"]
)
def test_required_fields(field):
    """An asset of a federal agency without a field that DCAT-US 1.1 requires is refused, and the field is named."""
    assert [("R", f"assets/assessments.yaml: {field}")] == found(f"asset: {{{field}: null}}", "DCAT-1")


def test_codes_of_agencies_that_are_not_federal():
    """An asset that no federal agency publishes needs neither bureau nor programme code."""
    text = "agency: {sector: other}\nasset: {bureau_codes: null, program_codes: null}"
    assert [] == found(text, "DCAT-1")


def test_publisher_and_contact_come_from_the_steward():
    """Publisher and contact, which DCAT-US requires, are the steward's where the asset has none of its own."""
    assert () == run_example("asset: {publisher: null, contact: null}").registration


@pytest.mark.parametrize("identifier", ["null", "''", "~"])
def test_identifiers_are_never_null(identifier):
    """An asset without identifier is refused, though the DCAT-US 3.0 schema accepts null."""
    result = run_example(f"asset: {{id: {identifier}}}")

    assert ["assets/assessments.yaml: id"] == [one.field for one in result.of_rule("DCAT-4")]
    assert result.outcome is None


@pytest.mark.parametrize("email", ["nobody", "desk@localhost", "desk@tax..example", "a b@tax.example"])
def test_contacts_that_no_mailto_holds(email):
    """An address that a mailto: URI of DCAT-US 3.0 could not hold is refused."""
    result = run_example(f"asset: {{contact: {{name: Desk, email: '{email}'}}}}")

    assert result.outcome is None
    assert ["assets/assessments.yaml: contact.email"] == [one.field for one in result.registration]


@pytest.mark.parametrize("place", ["access_restriction", "use_restriction"])
@pytest.mark.parametrize(
    "status", ["Open", "restricted - fully", "Other", "FOIA (b)(6) Personal Information"]
)
def test_statuses(place, status):
    """A status is one of the NARA list, as written there; a specific restriction is none."""
    changed = f"{{{place}: {{status: '{status}', specific: []}}}}"
    assert [("R", f"record.{place}.status")] == found(f"record: {changed}", "DCAT-5")
    assert [("R", f"assets/assessments.yaml: {place}.status")] == found(f"asset: {changed}", "DCAT-5")


def test_the_official_banner_example_is_wrong():
    """The example that DCAT-US 3.0 prints itself breaks the banner format, and so is refused."""
    marked = "asset: {{cui: {{banner: '{}', designation: 'Controlled by: Example Revenue Service'}}}}"

    assert [("R", "assets/assessments.yaml: cui.banner")] == found(
        marked.format("CUI//SP-PRVCY//SP-LEGAL"), "DCAT-5"
    )
    assert [("R", "assets/assessments.yaml: cui.banner")] == found(marked.format("FOUO"), "DCAT-5")
    assert [] == found(marked.format("CUI//SP-TAX"), "DCAT-5")


@pytest.mark.parametrize("designation", ["''", "Example Revenue Service", "'Controlled by:'"])
def test_designations(designation):
    """Marked information says by whom it is controlled."""
    text = f"asset: {{cui: {{banner: CUI, designation: {designation}}}}}"
    assert [("R", "assets/assessments.yaml: cui.designation")] == found(text, "DCAT-5")


def test_a_designation_without_a_banner():
    """A document with a designation and no banner is refused: the two stand together."""
    text = "record: {designation: {controlled_by: Example Revenue Service}}"
    assert [("R", "record.designation")] == found(text, "DCAT-5")


def test_only_where_the_profile_is_switched_on():
    """Without profile dcat-us none of this is looked at; an agreement alone may switch it on."""
    off = "bus: {profiles: [core]}\nasset: {keywords: null}\nrecord: {bureau_code: ['018:001']}\n"
    result = run_example(off)
    assert (Outcome.ACCEPTED, ()) == (result.outcome, result.findings)

    on = run_example(off + "agreement: {profiles: [dcat-us]}")
    assert ["DCAT-1"] == [one.rule for one in on.registration]
    assert [Severity.REFUSE] == [one.severity for one in on.registration]


def test_a_missing_field_cites_no_rule_that_is_switched_off():
    """A field that the form of the file needs is missed all the same, but no rule is named for it."""
    result = run_example("bus: {profiles: [core]}\nasset: {modified: null}")

    assert [("", "assets/assessments.yaml: modified")] == [
        (one.rule, one.field) for one in result.registration
    ]
