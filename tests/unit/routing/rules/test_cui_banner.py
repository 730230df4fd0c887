"""The banner parser: every step refuses what is its own to refuse, and says where, by rule CUI-1 or CUI-2."""

from __future__ import annotations

import pytest

from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists
from govbus.routing.rules.cui_banner import (
    BANNER_CHARACTERS_MAX,
    FIELD,
    Banner,
    banner_of,
    classified_word,
    nations,
    superseding,
)

_LISTS = CodeLists.shipped()
_COUNTRIES = {**_LISTS.codes("genc-countries", 0), **_LISTS.codes("cui-country-groups", 0)}


def _parse(text: str) -> Banner:
    return banner_of(text, _LISTS, 0)


@pytest.mark.parametrize(
    ("text", "categories", "controls"),
    [
        ("CUI", (), ()),
        ("CONTROLLED", (), ()),
        ("CONTROLLED//SP-TAX", ("SP-TAX",), ()),
        ("CUI//SP-CTI/SP-EXPT/EXPT/PRVCY", ("SP-CTI", "SP-EXPT", "EXPT", "PRVCY"), ()),
        ("CUI//FED ONLY", (), ("FED ONLY",)),
        ("CUI//PRIVILEGE//Attorney-Client/Attorney-WP", ("PRIVILEGE",), ("Attorney-Client", "Attorney-WP")),
        ("CUI//DISPLAY ONLY USA, AUS/REL TO USA, GBR", (), ("DISPLAY ONLY", "REL TO")),
    ],
)
def test_valid_banners(text: str, categories: tuple[str, ...], controls: tuple[str, ...]):
    """A valid banner is taken apart, and written again as it was."""
    banner = _parse(text)
    assert (banner.categories, banner.controls, str(banner)) == (categories, controls, text)


def test_countries_stand_by_their_control():
    """REL TO and DISPLAY ONLY have lists of their own; other controls have none."""
    banner = _parse("CUI//DISPLAY ONLY USA, JPN/FED ONLY/REL TO USA, AUS, GBR, FVEY")
    assert banner.listed("REL TO") == ("USA", "AUS", "GBR", "FVEY")
    assert banner.listed("DISPLAY ONLY") == ("USA", "JPN")
    assert banner.listed("FED ONLY") == ()


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "expected capital letters"),
        ("CUI//PRVCY\n", "expected capital letters"),
        ("CUI//PRVC\u00dd", "expected capital letters"),
        ("cui//PRVCY", "expected CUI or CONTROLLED"),
        ("CUI/PRVCY", "expected CUI or CONTROLLED"),
        ("FOUO", "expected CUI or CONTROLLED"),
        ("//CUI", "expected CUI or CONTROLLED"),
        ("CUI//", "// needs something behind it"),
        ("CUI////NOFORN", "// needs something behind it"),
        ("CUI//PRVCY//NOFORN//FED ONLY", "at most categories and dissemination controls"),
        ("CUI//UNHEARD", "category 1 is not in the list"),
        ("CUI//PRVCY/NOFORN", "category 2 is not in the list"),
        ("CUI//PRVCY/", "category 2 is not in the list"),
        ("CUI//SP-PRVCY//UNHEARD", "dissemination control 1 is not in the list"),
        ("CUI//PRVCY//NOFORN/PRVCY", "dissemination control 2 is not in the list"),
        ("CUI//DRAFT", "category 1 is not in the list"),
        ("CUI//CTI", "category CTI is specified, not basic"),
        ("CUI//SP-ISVI", "category ISVI is basic, not specified"),
        ("CUI//PRVCY/SP-TAX", "Specified before Basic"),
        ("CUI//PRVCY/EXPT", "in alphabetical order"),
        ("CUI//PRVCY/PRVCY", "PRVCY stands twice"),
        ("CUI//NOFORN/FED ONLY", "in alphabetical order"),
        ("CUI//NOFORN/NOFORN", "NOFORN stands twice"),
        ("CUI//REL TO USA, AUS/REL TO USA, GBR", "REL TO stands twice"),
        ("CUI " + "A" * BANNER_CHARACTERS_MAX, "characters long"),
    ],
)
def test_grammar_and_codes(text: str, detail: str):
    """What breaks the grammar or the lists is refused under CUI-1, with the place."""
    with pytest.raises(MetadataError, match=detail) as caught:
        _parse(text)
    assert (caught.value.rule, caught.value.field) == ("CUI-1", FIELD)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("CUI//NOFORN/REL TO USA, AUS", "NOFORN contradicts REL TO"),
        ("CUI//DISPLAY ONLY USA, AUS/NOFORN", "DISPLAY ONLY contradicts NOFORN"),
        ("CUI//NOFORN/RELIDO", "NOFORN contradicts RELIDO"),
        ("CUI//FED ONLY/FEDCON", "FED ONLY contradicts FEDCON"),
        ("CUI//FEDCON/NOCON", "FEDCON contradicts NOCON"),
        ("CUI//PRVCY//Attorney-WP", "needs category PRIVILEGE"),
        ("CUI//REL TO", "REL TO needs a list"),
        ("CUI//REL TO USA", "REL TO needs a list"),
        ("CUI//REL TO AUS, USA", "expected USA first"),
        ("CUI//REL TO USA,AUS", "needs a list"),
        ("CUI//REL TO USA, AUS, XYZ", "code 3 is no country"),
        ("CUI//REL TO USA, GBR, AUS", "alphabetical order"),
        ("CUI//REL TO USA, FVEY, GBR", "alphabetical order"),
        ("CUI//REL TO USA, NATO, FVEY", "alphabetical order"),
        ("CUI//REL TO USA, AUS, AUS", "stands twice"),
        ("CUI//REL TO USA, AUS, USA", "stands twice"),
        ("CUI//DISPLAY ONLY", "DISPLAY ONLY needs a list"),
    ],
)
def test_contradictions_and_lists(text: str, detail: str):
    """Controls that cannot hold together, and lists of countries out of form, are refused under CUI-2."""
    with pytest.raises(MetadataError, match=detail) as caught:
        _parse(text)
    assert (caught.value.rule, caught.value.field) == ("CUI-2", FIELD)


def test_unknown_words_are_not_repeated():
    """What stands in a banner by mistake may be personal data: the error names the place, not the word."""
    with pytest.raises(MetadataError) as caught:
        _parse("CUI//JOHN DOE")
    assert "JOHN" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SECRET//NOFORN", "SECRET"),
        ("TOP SECRET//SI//NOFORN", "SECRET"),
        ("(C//REL TO USA, GBR)", "C"),
        ("TS//SI", "TS"),
        ("CONFIDENTIAL", "CONFIDENTIAL"),
        ("CUI//PRVCY//secret", "SECRET"),
        ("NATO RESTRICTED", "RESTRICTED"),
        ("CUI//SP-TAX//FED ONLY", None),
        ("CUI//REL TO USA, AUS", None),
    ],
)
def test_classified_words(text: str, word: str | None):
    """A word that only classified information carries is found wherever it stands."""
    assert classified_word(text) == word


@pytest.mark.parametrize(
    "list_id",
    ["cui-categories", "cui-dissemination", "genc-countries", "cui-country-groups", "cui-supplemental"],
)
def test_no_code_is_a_classified_word(list_id: str):
    """No code that a banner may have is mistaken for a classification."""
    assert not [code for code in _LISTS.codes(list_id, 0) if classified_word(code)]


def test_superseding_control():
    """DL ONLY makes other controls idle; alone, or where it is absent, nothing does."""
    controls = _LISTS.codes("cui-dissemination", 0)
    assert superseding(_parse("CUI//DL ONLY/NOFORN"), controls) == "DL ONLY"
    assert superseding(_parse("CUI//DL ONLY"), controls) is None
    assert superseding(_parse("CUI//FED ONLY/NOFORN"), controls) is None


def test_nations_of_a_list():
    """A group covers its known members, a country itself; a group without known members covers nobody."""
    assert nations(["USA", "JPN", "FVEY"], _COUNTRIES) == {"USA", "JPN", "AUS", "CAN", "GBR", "NZL"}
    assert nations(["USA", "RSMA"], _COUNTRIES) == {"USA"}
