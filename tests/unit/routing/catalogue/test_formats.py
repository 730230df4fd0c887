"""Our formats give the verdicts of the library that JSON Schema is checked with."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.routing.catalogue.formats import FORMATS

THEIRS = jsonschema.Draft201909Validator.FORMAT_CHECKER
CASES = {
    "date": [
        "2026-01-31",
        "2026-02-29",
        "2024-02-29",
        "2026-1-31",
        "20260131",
        "0000-01-01",
        "2026-W01-1",
        "",
    ],
    "date-time": [
        "2026-01-31T10:00:00Z",
        "2026-01-31t10:00:00z",
        "2026-01-31T10:00:00.123+01:00",
        "2026-01-31T24:00:00Z",
        "2026-01-31T10:00:60Z",
        "2026-02-30T10:00:00Z",
        "2026-01-31T10:00:00",
        "2026-01-31 10:00:00Z",
        "2026-01-31T10:00:00+24:00",
    ],
    "uri": [
        "https://tax.example/x?a=b&c#d",
        "urn:x:y",
        "mailto:a@b.example",
        "sftp://user:pw@host:22/x",
        "file:///x",
        "http://[::1]:80/",
        "http://[::1%25eth0]/",
        "http://[v1.x:y]/",
        "http://[nonsense]/",
        "http://a b",
        "http://x/ü",
        "http://x/%zz",
        "//x/y",
        "x",
        "a:",
        "1a:b",
        "http://x:port/",
        "https://tax.example/x#a#b",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in CASES.items() for text in texts])
def test_verdicts_on_cases(name, text):
    """Good and bad texts of each format."""
    assert THEIRS.conforms(text, name) == FORMATS[name](text)


@given(
    st.text(alphabet="aZ0:/?#[]@!%F.-_ ü\n", max_size=25).map("s:".__add__)
    | st.from_regex(r"[a-z]+://[a-z:@/?#%0-9\[\].]*", fullmatch=True)
)
def test_verdicts_on_anything_like_a_uri(text):
    """On texts of the characters that URIs are made of; a line break at the end, which ``$`` overlooks, is none."""
    if not text.endswith("\n"):
        assert THEIRS.conforms(text, "uri") == FORMATS["uri"](text)


@given(
    st.datetimes().map(lambda one: one.isoformat() + "Z") | st.text(alphabet="0123456789-T:.Zz+", max_size=26)
)
def test_verdicts_on_anything_like_a_moment(text):
    """On moments and on texts of their characters."""
    for name in ("date", "date-time"):
        assert THEIRS.conforms(text, name) == FORMATS[name](text)
        assert THEIRS.conforms(text[:10], name) == FORMATS[name](text[:10])
