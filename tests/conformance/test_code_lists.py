"""Our code lists against the files that others publish: every code of theirs is in ours, and no other."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from govbus.routing.codes import CodeLists

Counter = Callable[[str, object], None]
_DIFI = "{urn:fdc:difi.no:2017:vefa:structure:CodeList-1}"
_OLDER_BUREAUS = {"005:05", "005:06", "005:09", "005:11", "024:90", "100:98", "528:00"}
"""In the undated JSON table alone, which lacks bureaus of the budget of 2016: an older edition than ours."""


def _codes(list_id: str) -> dict[str, Any]:
    return dict(CodeLists.shipped().lists[list_id].editions[-1].codes)


def _rows(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return list(csv.DictReader(text.split("\n")))


@pytest.mark.conformance_set("niem/cui")
def test_cui_categories(conformance_data: Path, record_property: Counter):
    """Every category of NIEM's list is in ours under the same kinds, Basic (84) and Specified (57)."""
    theirs = {
        (row["code"].removeprefix("SP-"), "specified" if row["code"].startswith("SP-") else "basic")
        for row in _rows(conformance_data / "niem/cui/cui_codes.csv")
        if row["list"].endswith("CategoryMarkingCodeSimpleType")
    }
    ours = {(code, kind) for code, facts in _codes("cui-categories").items() for kind in facts["kinds"]}
    assert ours == theirs
    assert [sum(kind == one for _, kind in ours) for one in ("basic", "specified")] == [84, 57]
    record_property("cases", len(ours))


@pytest.mark.conformance_set("niem/cui")
def test_cui_dissemination_controls_and_their_portion_marks(conformance_data: Path):
    """Every limited dissemination control has its banner form and its portion form."""
    rows = _rows(conformance_data / "niem/cui/cui_codes.csv")
    ours = _codes("cui-dissemination")
    assert set(ours) == {row["code"] for row in rows if row["list"].startswith("DocumentMarkingLDC")}
    assert {facts["portion"] for facts in ours.values()} == {
        row["code"] for row in rows if row["list"].startswith("PortionMarkingLDC")
    }


@pytest.mark.conformance_set("niem/cui")
def test_cui_supplemental_markings(conformance_data: Path):
    """Every supplemental administrative marking of NIEM's list is in ours."""
    rows = _rows(conformance_data / "niem/cui/cui_codes.csv")
    assert set(_codes("cui-supplemental")) == {
        row["code"] for row in rows if row["list"].startswith("SupplementalAdministrative")
    }


@pytest.mark.conformance_set("agency-codes")
def test_omb_bureaus(conformance_data: Path, record_property: Counter):
    """The dated CSV is ours, code by code; the older JSON table has seven codes that have gone since."""
    rows = _rows(conformance_data / "agency-codes/omb_bureau_codes.csv")
    ours = _codes("omb-bureaus")
    assert set(ours) == {f"{row['Agency Code']}:{row['Bureau Code']}" for row in rows}
    older = json.loads(
        (conformance_data / "agency-codes/omb-agency-bureau-treasury-codes.json").read_text("utf-8")
    )
    coded = [row for row in older if row["OMB Agency Code"]]
    keys = {f"{row['OMB Agency Code']}:{int(row['OMB Bureau Code']):02d}" for row in coded}
    assert keys - set(ours) == _OLDER_BUREAUS
    record_property("cases", len(rows))


@pytest.mark.conformance_set("agency-codes")
def test_omb_bureaus_without_a_cgac_code(conformance_data: Path):
    """28 bureaus have ``n/a`` for a CGAC code: theirs is left out, never written as a code (trap 14)."""
    rows = _rows(conformance_data / "agency-codes/omb_bureau_codes.csv")
    ours = _codes("omb-bureaus")
    without = {f"{row['Agency Code']}:{row['Bureau Code']}" for row in rows if row["CGAC Code"] == "n/a"}
    assert len(without) == 28
    assert {code for code, facts in ours.items() if "cgac" not in facts} == without
    assert all(re.fullmatch(r"\d{3}", one) for facts in ours.values() for one in facts.get("cgac", []))


@pytest.mark.conformance_set("agency-codes")
def test_omb_programs(conformance_data: Path, record_property: Counter):
    """Every programme of the inventory is in ours; its last row spells its sentinel ``000-000``, ours is 000:000."""
    rows = _rows(conformance_data / "agency-codes/FederalProgramInventory_FY13_MachineReadable_091613.csv")
    theirs = [row["ProgramCodePODFormat"] for row in rows]
    assert [code for code in theirs if re.fullmatch(r"\d{3}:\d{3}", code) is None] == ["000-000"]
    assert set(_codes("omb-programs")) == {code.replace("-", ":") for code in theirs}
    assert len(theirs) == 1554
    record_property("cases", len(theirs))


@pytest.mark.conformance_set("peppol")
def test_iso6523_icd(conformance_data: Path, record_property: Counter):
    """Every designator of the ICD list is in ours; the EAS list is another one and has codes that ICD lacks."""
    theirs, electronic = (
        {
            code.findtext(f"{_DIFI}Id")
            for code in ET.parse(conformance_data / f"peppol/codelist/{name}.xml").iter(f"{_DIFI}Code")  # noqa: S314  # data of our own folder
        }
        for name in ("icd", "eas")
    )
    assert set(_codes("iso6523-icd")) == theirs
    assert {code for code in electronic - theirs if code is not None and code.startswith("99")}
    assert not {code for code in theirs if code is not None and code.startswith("9")}
    record_property("cases", len(theirs))


@pytest.mark.conformance_set("niem/genc_geo-political_3-12_char3.csv")
def test_genc_countries(conformance_data: Path, record_property: Counter):
    """Every entity of GENC is in ours with its 2-letter and numeric codes."""
    rows = _rows(conformance_data / "niem/genc_geo-political_3-12_char3.csv")
    ours = _codes("genc-countries")
    assert {(code, facts.get("char2", ""), facts["numeric"]) for code, facts in ours.items()} == {
        (row["char3 code"], row["char2 code"], row["numeric code"]) for row in rows
    }
    members = {one for facts in _codes("cui-country-groups").values() for one in facts["members"]}
    assert members <= set(ours)
    record_property("cases", len(rows))


@pytest.mark.conformance_set("records")
def test_nara_restrictions(conformance_data: Path):
    """Statuses and specific restrictions are those of the authority lists, and which is which."""
    theirs = json.loads((conformance_data / "records/nara_restrictions.json").read_text("utf-8"))
    for which in ("access", "use"):
        ours = _codes(f"nara-{which}-restrictions")
        for kind, name in (
            ("status", f"{which}_restriction_status"),
            ("specific", f"specific_{which}_restriction"),
        ):
            assert {code for code, facts in ours.items() if facts["kind"] == kind} == set(
                theirs[name]["values"]
            )


@pytest.mark.conformance_set("records")
def test_iso639_1_languages(conformance_data: Path, record_property: Counter):
    """Every 2-letter language code is in ours, with a name."""
    theirs = json.loads((conformance_data / "records/iso639_1_language_codes.json").read_text("utf-8"))
    assert set(_codes("iso639-1-languages")) == set(theirs["values"])
    record_property("cases", len(theirs["values"]))
