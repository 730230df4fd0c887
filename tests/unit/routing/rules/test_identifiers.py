"""Rules ID-2 and LNG-1: the time in a document's id, and the form of a language tag."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from govbus.adapters.outgoing import document_id_new
from govbus.document.encoding import time_text
from govbus.routing.codes import CodeLists
from govbus.routing.rules import identifiers
from govbus.routing.rules.identifiers import ID_SKEW_MS
from govbus.routing.rules.language_tags import TAG_CHARACTERS_MAX, is_well_formed, language_iso639_1

_NOW_MS = 1_795_466_700_000
_LANGUAGES = CodeLists.shipped().codes("iso639-1-languages", 0)


def _fields(document_id: str, *, recorded_ms: int | None = None) -> list[tuple[str, str]]:
    signed = {"ce_id": document_id.encode()}
    if recorded_ms is not None:
        signed["ce_recordedtime"] = time_text(recorded_ms).encode()
    facts: Any = SimpleNamespace(signed=signed, time_ms=_NOW_MS)
    template: Any = None
    (check,) = identifiers.document_checks(template)
    return [(breach.rule, breach.field) for breach in check(facts)]


def _id(at_ms: int) -> str:
    return document_id_new(at_ms, bytes(10))


@pytest.mark.parametrize("offset_ms", [0, ID_SKEW_MS, -ID_SKEW_MS])
def test_an_id_of_the_time_of_the_document(offset_ms: int):
    """An id made when the document was, give or take the skew of clocks, has no finding."""
    assert _fields(_id(_NOW_MS + offset_ms)) == []
    assert _fields(_id(_NOW_MS + offset_ms).upper()) == []


@pytest.mark.parametrize("offset_ms", [ID_SKEW_MS + 1, -ID_SKEW_MS - 1, -_NOW_MS])
def test_an_id_of_another_time(offset_ms: int):
    """An id of another time is a warning, unless the document was recorded then."""
    made_ms = _NOW_MS + offset_ms
    assert _fields(_id(made_ms)) == [("ID-2", "ce_id")]
    assert _fields(_id(made_ms), recorded_ms=made_ms + ID_SKEW_MS) == []
    assert _fields(_id(made_ms), recorded_ms=made_ms + ID_SKEW_MS + 1) == [("ID-2", "ce_id")]


@pytest.mark.parametrize(
    "document_id",
    [
        "assessment-17",
        "",
        _id(_NOW_MS).replace("-", ""),
        "{" + _id(_NOW_MS) + "}",
        _id(_NOW_MS)[:14] + "4" + _id(_NOW_MS)[15:],
        _id(_NOW_MS)[:19] + "c" + _id(_NOW_MS)[20:],
        _id(_NOW_MS) + "\n",
    ],
)
def test_what_is_no_uuid7(document_id: str):
    """Another form, version or variant is a warning."""
    assert _fields(document_id) == [("ID-2", "ce_id")]


@pytest.mark.parametrize(
    "tag",
    [
        "de",
        "fr",
        "ja",
        "en-US",
        "zh-Hant",
        "zh-cmn-Hans-CN",
        "cmn-Hans-CN",
        "yue-HK",
        "zh-yue-HK",
        "sr-Latn-RS",
        "sl-rozaj-biske-1994",
        "de-CH-1901",
        "hy-Latn-IT-arevela",
        "es-419",
        "de-CH-x-phonebk",
        "az-Arab-x-AZE-derbend",
        "x-whatever",
        "qaa-Qaaa-QM-x-southern",
        "en-US-u-islamcal",
        "en-a-myext-b-another",
        "i-enochian",
        "I-KLINGON",
        "en-GB-oed",
        "sgn-BE-FR",
        "art-lojban",
        "zh-min-nan",
        "EN-us",
    ],
)
def test_well_formed_tags(tag: str):
    """The examples of RFC 5646 appendix A, and grandfathered tags, are well-formed in capitals or small letters."""
    assert is_well_formed(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "e",
        "en_US",
        "en-",
        "-en",
        "en--US",
        "de-419-DE",
        "a-DE",
        "ar-a-aaa-b-bbb-a-ccc",
        "de-DE-1901-1901",
        "en-x",
        "en-u",
        "x-",
        "i-unheard",
        "english language",
        "en\n",
        "zh-Hant-Hans",
        "toolongsubtag",
        "ën",
        "en-x" + "-abcdefgh" * TAG_CHARACTERS_MAX,
    ],
)
def test_tags_that_are_not(tag: str):
    """Wrong separators, subtags out of order or repeated, and the bad examples of RFC 5646 are not well-formed."""
    assert not is_well_formed(tag)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en", "en"),
        ("en-US", "en"),
        ("ZH-Hant", "zh"),
        ("en-GB-oed", "en"),
        ("i-navajo", "nv"),
        ("iw", "he"),
        ("iw-IL", "he"),
        ("no-bok", "nb"),
        ("haw", None),
        ("x-whatever", None),
        ("en_US", None),
        ("zz", None),
    ],
)
def test_language_in_iso_639_1(tag: str, language: str | None):
    """DCAT-US 3.0 takes two letters: those that the tag begins with, where the list has them."""
    assert language_iso639_1(tag, _LANGUAGES) == language


def test_a_record_in_no_language_is_a_warning():
    """The rule looks at the language that documents of one template share."""
    facts: Any = SimpleNamespace(record={"language": "en_US"})
    assert [(one.rule, one.field) for one in identifiers.template_breaches(facts)] == [
        ("LNG-1", "record.language")
    ]
    facts.record["language"] = "en-US"
    assert list(identifiers.template_breaches(facts)) == []
