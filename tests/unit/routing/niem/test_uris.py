"""URIs by the grammar of RFC 3986."""

import pytest

from govbus.routing.niem.uris import is_absolute_uri, is_uri, is_uri_reference

ABSOLUTE = [
    "https://court.example/ns/case/1.0/",
    "urn:oasis:names:tc:1.5.1",
    "http://user:pass@[2001:db8::1]:8080/a/b;c=1?q=%20#".rstrip("#"),
    "http://[v1.fe80::a+en1]/",
    "mailto:a@b.example",
    "file:///etc",
    "a:",
    "http:",
    "http://",
    "tag:x,2026:a?b/c?d",
]
NONE = [
    "http://a b/",
    "http://[::1",
    "http://[1.2.3.4]/",
    "http://[fe80::1%25eth0]/",
    "http://a/%2",
    "h^:x",
    "http://a/{b}",
]


@pytest.mark.parametrize("text", ABSOLUTE)
def test_absolute(text):
    """A URI with a scheme and no fragment is an absolute URI, a URI and a URI reference; a fragment makes it a URI."""
    assert is_absolute_uri(text)
    assert is_uri(text)
    assert is_uri_reference(text)
    assert not is_absolute_uri(text + "#a")
    assert is_uri(text + "#a")


@pytest.mark.parametrize("text", ["", "#a", "a", "a/b:c", "/a", "//h/p", "./a:b", "?q", "a?b#c"])
def test_relative(text):
    """A reference relative to another URI is a URI reference, and no URI."""
    assert is_uri_reference(text)
    assert not is_uri(text)


@pytest.mark.parametrize("text", [*NONE, "1a:b", ":a", "a|b", "ä", "a\n", "#a#b"])
def test_no_uri(text):
    """What the grammar has not is no URI reference."""
    assert not is_uri_reference(text)


def test_long_texts():
    """The grammar reads long texts once."""
    assert is_uri_reference("a" * 500_000)
    assert not is_uri_reference("a" * 500_000 + "|")
    assert not is_uri_reference("//" + "a:" * 200_000 + "@@")
