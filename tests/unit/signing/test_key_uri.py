"""Key references: RFC 7512 and file: URIs, and what must not stand in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import ConfigError
from govbus.signing.key_uri import URI_CHARS_MAX, FileKey, TokenKey, parse_key_reference

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("seal.key.pem", "seal.key.pem"),
        ("/etc/govbus/seal.key.pem", "/etc/govbus/seal.key.pem"),
        ("file:seal.key.pem", "seal.key.pem"),
        ("file:/etc/seal.key.pem", "/etc/seal.key.pem"),
        ("file:///etc/seal.key.pem", "/etc/seal.key.pem"),
        ("FILE:keys/a b.pem", "keys/a b.pem"),
    ],
)
def test_file_references(text, path):
    """A bare path is a file, and so is what follows file:, with or without an empty authority."""
    assert FileKey(path) == parse_key_reference(text)


def test_a_token_reference_has_every_attribute():
    """Path and query attributes of RFC 7512 are read, percent-encoding is taken off."""
    found = parse_key_reference(
        "pkcs11:token=The%20Token;manufacturer=Acme;serial=12;model=X;object=seal%3b1;id=%01%ff;type=private"
        f"?module-path={MODULE}&pin-source=/run/secrets/pin"
    )
    expected = TokenKey(
        MODULE, "The Token", "12", "Acme", "X", "seal;1", b"\x01\xff", "file:/run/secrets/pin"
    )
    assert expected == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "1 to 2048"),
        ("x" * (URI_CHARS_MAX + 1), "1 to 2048"),
        ("seal\n.pem", "printable"),
        ("file:", "without a path"),
        ("file://host/seal.pem", "no other machine"),
        ("pkcs11:token=a", "module-path"),
        ("pkcs11:token=a?module-path=lib.so", "absolute path"),
        (f"pkcs11:token=a;token=b?module-path={MODULE}", "token stands twice"),
        (f"pkcs11:slot-id=1?module-path={MODULE}", "expected only"),
        (f"pkcs11:token?module-path={MODULE}", "expected only"),
        (f"pkcs11:token=a?module-path={MODULE}&module-name=x", "expected only"),
        (f"pkcs11:type=cert?module-path={MODULE}", "type must be private"),
        (f"pkcs11:token=%ff?module-path={MODULE}", "not UTF-8"),
        (f"pkcs11:token=%0?module-path={MODULE}", "percent-encoded"),
        (f"pkcs11:token=a b?module-path={MODULE}", "percent-encoded"),
        (f"pkcs11:token=a?module-path={MODULE}&pin-source=|cat%20pin", "pin-source"),
        (f"pkcs11:token=a?module-path={MODULE}&pin-source=env:1A", "pin-source"),
        (f"pkcs11:token=a?module-path={MODULE}&pin-source=pin", "pin-source"),
    ],
)
def test_what_breaks_the_grammar_is_refused(text, reason):
    """Each mistake is named."""
    with pytest.raises(ConfigError, match=reason):
        parse_key_reference(text)


def test_a_pin_in_a_reference_is_refused_and_not_repeated():
    """pin-value is never taken, and the error does not spread it further."""
    with pytest.raises(ConfigError, match="must not stand in a key reference") as caught:
        parse_key_reference(f"pkcs11:token=a?module-path={MODULE}&pin-value=12345678")
    assert "12345678" not in str(caught.value)


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    _TEXT, _TEXT, _TEXT, _TEXT, _TEXT, st.binary(max_size=20), st.sampled_from(["", "env:PIN", "file:/p q"])
)
def test_a_token_reference_is_written_as_it_is_read(token, serial, maker, model, label, key_id, pin_source):
    """Whatever a reference says is the same after it was written and read again."""
    reference = TokenKey(MODULE, token, serial, maker, model, label, key_id, pin_source)
    assert reference == parse_key_reference(str(reference))


def test_a_file_reference_is_written_as_it_is_read():
    """The text of a file reference reads as the same file."""
    assert FileKey("keys/seal.pem") == parse_key_reference(str(FileKey("keys/seal.pem")))


def test_the_references_of_the_specification_are_what_it_says():
    """Each line of the specification's example reads as the key that stands beside it."""
    page = Path(__file__).parents[3] / "docs" / "specs" / "signatures.md"
    block = page.read_text().split("## Key references")[1].split("```")[1]
    pin = {"file": "file:/run/secrets/pin", "env": "env:HSM_PIN"}
    expected = [
        FileKey("seal.key.pem"),
        FileKey("seal.key.pem"),
        FileKey("/etc/govbus/seal.key.pem"),
        FileKey("/etc/govbus/seal.key.pem"),
        TokenKey("/usr/lib/p11.so", "tax", label="seal", pin_source=pin["file"]),
        TokenKey("/usr/lib/p11.so", serial="0042", id=b"\x01\xff", pin_source=pin["env"]),
    ]
    assert expected == [parse_key_reference(line.split()[0]) for line in block.strip().splitlines()]
