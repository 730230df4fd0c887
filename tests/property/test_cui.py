"""The banner parser under random input: what is valid comes back, nothing else crashes, and time stays linear."""

from __future__ import annotations

import contextlib
import time

from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import MetadataError
from govbus.routing.codes import CodeLists
from govbus.routing.rules.cui_banner import (
    BANNER_CHARACTERS_MAX,
    SPECIFIED,
    Banner,
    banner_of,
    classified_word,
)

_LISTS = CodeLists.shipped()
_CATEGORIES = _LISTS.codes("cui-categories", 0)
_CONTROLS = _LISTS.codes("cui-dissemination", 0)
_SPECIFIED = sorted(code for code, facts in _CATEGORIES.items() if "specified" in facts["kinds"])
_BASIC = sorted(code for code, facts in _CATEGORIES.items() if "basic" in facts["kinds"])
_TRIGRAPHS = sorted(set(_LISTS.codes("genc-countries", 0)) - {"USA"})
_GROUPS = sorted(_LISTS.codes("cui-country-groups", 0))
_COMPATIBLE = [
    ("DL ONLY",),
    ("FED ONLY", "NOFORN"),
    ("FEDCON", "REL TO"),
    ("DISPLAY ONLY", "NOCON", "RELIDO"),
    ("REL TO",),
]
"""Sets of controls that do not contradict each other."""
_PIECES = st.sampled_from(
    [
        "CUI",
        "CONTROLLED",
        "//",
        "/",
        ", ",
        " ",
        "SP-",
        "REL TO ",
        "DISPLAY ONLY ",
        "USA",
        "AUS",
        "NATO",
        *_BASIC[:9],
        "NOFORN",
        "FED ONLY",
        "FEDCON",
        "\x00",
        "ÿ",
    ]
)


@st.composite
def _banners(draw: st.DrawFn) -> Banner:
    specified = sorted(draw(st.sets(st.sampled_from(_SPECIFIED), max_size=4)))
    basic = sorted(draw(st.sets(st.sampled_from(_BASIC), max_size=4)))
    controls = sorted(draw(st.sampled_from([(), *_COMPATIBLE])), key=str.casefold)
    countries = {}
    for control in controls:
        if _CONTROLS[control].get("list") == "countries":
            nations = draw(st.sets(st.sampled_from(_TRIGRAPHS), min_size=1, max_size=5))
            groups = draw(st.sets(st.sampled_from(_GROUPS), max_size=3))
            countries[control] = ("USA", *sorted(nations), *sorted(groups))
    return Banner(
        draw(st.sampled_from(["CUI", "CONTROLLED"])),
        (*(SPECIFIED + code for code in specified), *basic),
        tuple(controls),
        countries or None,
    )


@given(_banners())
def test_a_valid_banner_comes_back(banner: Banner):
    """What is written by the grammar from codes of the lists is read as the same banner."""
    assert banner_of(str(banner), _LISTS, 0) == banner


@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=30).map("".join)))
def test_any_text_is_a_banner_or_refused(text: str):
    """No text makes the parser raise anything but its own error; what it accepts, it writes as it was."""
    classified_word(text)
    try:
        banner = banner_of(text, _LISTS, 0)
    except MetadataError as err:
        assert err.rule in {"CUI-1", "CUI-2"}
    else:
        assert str(banner) == text


@given(st.lists(_PIECES, min_size=1, max_size=4).map("".join))
def test_long_repetitions_are_refused_in_linear_time(piece: str):
    """A piece repeated to the longest banner there may be is done with in milliseconds, beyond it at once."""
    text = "CUI//" + piece * (BANNER_CHARACTERS_MAX // len(piece))
    for hostile in (text[:BANNER_CHARACTERS_MAX], text * 1_000):
        began = time.perf_counter()
        with contextlib.suppress(MetadataError):
            banner_of(hostile, _LISTS, 0)
        classified_word(hostile)
        assert time.perf_counter() - began < 1.0
