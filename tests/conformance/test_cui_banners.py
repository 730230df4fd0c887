"""CUI banners that others call valid or invalid, each with its reason, and the federal schemas' own examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists
from govbus.routing.rules.cui_banner import banner_of, classified_word


def _verdict(text: str) -> str:
    try:
        banner = banner_of(text, CodeLists.shipped(), 0)
    except MetadataError:
        return "invalid"
    assert str(banner) == text
    return "valid"


@pytest.mark.conformance_set("niem/cui")
def test_banner_cases(conformance_data: Path, record_property: Callable[[str, object], None]):
    """Every case of the collection gets the verdict that its source gives it."""
    cases = json.loads((conformance_data / "niem/cui/cui-banner-cases.json").read_text("utf-8"))["cases"]
    record_property("cases", len(cases))
    assert len(cases) == 13
    assert [_verdict(case["banner"]) for case in cases] == [case["expected"] for case in cases]


@pytest.mark.conformance_set("dcat-us-3.0")
def test_the_federal_schema_has_an_invalid_example(conformance_data: Path):
    """DCAT-US 3.0 gives two banners as examples, of which the second breaks the registry's format (trap 3)."""
    schema = json.loads((conformance_data / "dcat-us-3.0/schema/CUIRestriction.json").read_text("utf-8"))
    examples = [one for text in _examples(schema) for one in [text] if text.startswith("CUI")]
    assert {text: _verdict(text) for text in examples} == {
        "CUI//SP-CTI": "valid",
        "CUI//SP-PRVCY//SP-LEGAL": "invalid",
    }


def _examples(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [one for one in value.get("examples", []) if isinstance(one, str)]
        return own + [text for part in value.values() for text in _examples(part)]
    if isinstance(value, list):
        return [text for part in value for text in _examples(part)]
    return []


@pytest.mark.parametrize("text", ["FOUO", "SBU", "U//FOUO", "LES"])
def test_legacy_markings_are_no_banners(text: str):
    """The federal schema takes any text; markings that CUI replaced are refused here, but are not classified."""
    assert _verdict(text) == "invalid"
    assert classified_word(text) is None
