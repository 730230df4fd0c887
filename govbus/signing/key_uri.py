"""Key references: where a private key lies, a PEM file or a PKCS#11 token, written as a URI.

``file:seal.key.pem`` or a bare path names a PKCS#8 PEM file. ``pkcs11:token=…;object=…?module-path=…&pin-source=…``
(RFC 7512) names a key on a token. A PIN is never part of a reference, because references stand on command lines and in
logs; a reference says where the PIN is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from govbus.errors import ConfigError

URI_CHARS_MAX: Final = 2048
_FILE_SCHEME: Final = "file:"
_TOKEN_SCHEME: Final = "pkcs11:"  # noqa: S105  # a scheme
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/|?]|%[0-9A-Fa-f]{2})*")
"""What RFC 7512 section 2.3 lets stand in a value, path and query together; the separators are split off first."""
_PATH_ATTRIBUTES: Final = frozenset({"token", "serial", "manufacturer", "model", "object", "id", "type"})
_QUERY_ATTRIBUTES: Final = frozenset({"module-path", "pin-source"})
_REMEDY: Final = "see docs/specs/signatures.md, key references"


@dataclass(frozen=True, slots=True)
class FileKey:
    """A private key in a PEM file."""

    path: str

    def __str__(self) -> str:
        # Two slashes at the beginning would read as the name of a machine (RFC 8089): an empty one stands before them.
        return f"{_FILE_SCHEME}//{self.path}" if self.path.startswith("//") else _FILE_SCHEME + self.path


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key on a PKCS#11 token; an empty attribute fits anything."""

    module_path: str
    """The token's PKCS#11 library, absolute."""
    token: str = ""
    """Label of the token."""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    label: str = ""
    """Label of the key: the URI's ``object``."""
    id: bytes = b""
    pin_source: str = ""
    """``file:/path`` or ``env:VARIABLE``: where the PIN is."""

    def __str__(self) -> str:
        path = [
            f"{name}={_encoded(value.encode('utf-8'))}"
            for name, value in (
                ("token", self.token),
                ("manufacturer", self.manufacturer),
                ("serial", self.serial),
                ("model", self.model),
                ("object", self.label),
            )
            if value
        ]
        if self.id:
            path.append("id=" + "".join(f"%{octet:02X}" for octet in self.id))
        query = f"module-path={_encoded(self.module_path.encode('utf-8'))}"
        if self.pin_source:
            query += f"&pin-source={_encoded(self.pin_source.encode('utf-8'))}"
        return f"{_TOKEN_SCHEME}{';'.join(path)}?{query}"


KeyReference = FileKey | TokenKey


def parse_key_reference(text: str) -> KeyReference:
    """Read a key reference.

    Raises:
        ConfigError: if it breaks the grammar, or has a PIN in it; the error never repeats the reference.
    """
    if not text or len(text) > URI_CHARS_MAX or not text.isprintable():
        raise _malformed(f"expected 1 to {URI_CHARS_MAX} printable characters")
    reference = _reference(text)
    if len(str(reference)) > URI_CHARS_MAX:  # percent-encoding makes longer, and that is a reference as well
        raise _malformed(f"expected 1 to {URI_CHARS_MAX} printable characters")
    return reference


def _reference(text: str) -> KeyReference:
    if text[: len(_TOKEN_SCHEME)].lower() == _TOKEN_SCHEME:
        return _token_key(text[len(_TOKEN_SCHEME) :])
    if text[: len(_FILE_SCHEME)].lower() == _FILE_SCHEME:
        return FileKey(_file_path(text[len(_FILE_SCHEME) :]))
    return FileKey(text)


def _file_path(rest: str) -> str:
    """Return the path of a ``file:`` reference: relative, absolute, or with an empty authority (RFC 8089)."""
    if rest.startswith("//"):
        rest = rest[2:]
        if not rest.startswith("/"):
            raise _malformed("a file: reference names no other machine; write file:/path or file:path")
    if not rest:
        raise _malformed("file: without a path")
    return rest


def _token_key(rest: str) -> TokenKey:
    path, _, query = rest.partition("?")
    attributes = _attributes(path, ";", _PATH_ATTRIBUTES)
    asked = _attributes(query, "&", _QUERY_ATTRIBUTES)
    if attributes.pop("type", b"private") != b"private":
        raise _malformed("type must be private")
    identity = attributes.pop("id", b"")
    texts = {name: _text(name, value) for name, value in (attributes | asked).items()}
    module_path = texts.pop("module-path", "")
    if not module_path.startswith("/"):
        raise _malformed("expected module-path with the absolute path of the token's PKCS#11 library")
    pin_source = texts.pop("pin-source", "")
    if pin_source.startswith("/"):
        pin_source = _FILE_SCHEME + pin_source
    if pin_source and not re.fullmatch(r"file:/.+|env:[A-Za-z_][A-Za-z0-9_]*", pin_source):
        raise _malformed("expected pin-source as file:/path or env:VARIABLE")
    return TokenKey(module_path, id=identity, pin_source=pin_source, label=texts.pop("object", ""), **texts)


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise ConfigError(
                "a PIN must not stand in a key reference",
                remedy="put it into a file or variable: pin-source=file:/path or pin-source=env:VARIABLE",
            )
        if not equals or name not in known:
            raise _malformed(f"expected only {', '.join(sorted(known))} in this part of a pkcs11: URI")
        if name in found:
            raise _malformed(f"{name} stands twice")
        if not _ENCODED.fullmatch(value):
            raise _malformed(f"the value of {name} has characters that must be percent-encoded")
        found[name] = _decoded(value)
    return found


def _decoded(value: str) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), value.encode("ascii"))


def _encoded(octets: bytes) -> str:
    return re.sub(rb"[^A-Za-z0-9\-._~:@/+,()!]", lambda match: b"%%%02X" % match[0][0], octets).decode(
        "ascii"
    )


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as err:
        raise _malformed(f"{name} is not UTF-8") from err


def _malformed(detail: str) -> ConfigError:
    return ConfigError(f"key reference: {detail}", remedy=_REMEDY)
