"""Which Ed25519 signatures are accepted: exactly those of ``docs/specs/signatures.md``, whoever made them.

The cases are of the kinds that verifiers are known to disagree on ("Taming the many EdDSAs", Chalkias and others, 2020;
the C2SP test vectors for Ed25519): points of small and of mixed order as A and R, encodings that are not canonical, S
that is not below L, signatures that only the cofactored equation takes. They are made here by plain arithmetic on the
curve, and the page's rule is written down once more beside it; the openssl command line is asked as well.
"""

import hashlib
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from govbus.errors import SignatureError
from govbus.signing.algorithms import verify

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)
SIGN = 1 << 255
MESSAGE = b"govbus/statement/v1\n"
SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""DER in front of the 32 octets of a key (RFC 8410, section 4)."""
TIMEOUT_S = 60


def _x_of(y, sign):
    """Return the x of a point (RFC 8032, section 5.1.3), None where there is none; x = 0 may have either sign."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if x % 2 != sign and x else x


def _sum(one, other):
    """Add two points in extended coordinates (RFC 8032, section 5.1.4)."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = one, other
    a, b = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _plain(point):
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return x * inverse % P, y * inverse % P


def _extended(point):
    x, y = point
    return x, y, 1, x * y % P


def _add(one, other):
    return _plain(_sum(_extended(one), _extended(other)))


def _times(number, point):
    found, doubled = _extended((0, 1)), _extended(point)
    while number:
        if number & 1:
            found = _sum(found, doubled)
        doubled, number = _sum(doubled, doubled), number >> 1
    return _plain(found)


def _encoded(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _decoded(octets):
    """Return the point of an encoding, its y reduced where it is not canonical; None where it is none."""
    number = int.from_bytes(octets, "little")
    y, sign = number % SIGN % P, number >> 255
    x = _x_of(y, sign)
    return None if x is None else (x, y)


BASE = (_x_of(4 * pow(5, -1, P) % P, 0), 4 * pow(5, -1, P) % P)
TORSION = next(
    point
    for y in range(2, 100)
    if (x := _x_of(y, 0)) is not None and (point := _times(L, (x, y))) and _times(4, point) != (0, 1)
)
"""A point of order 8."""
SMALL = [_times(number, TORSION) for number in range(8)]


def _encodings(point):
    """Return every encoding that decodes to a point by reduction: y or y + p, and either sign where x is 0."""
    x, y = point
    signs = (0, 1) if x == 0 else (x & 1,)
    return [
        (value | sign << 255).to_bytes(32, "little") for value in (y, y + P) if value < SIGN for sign in signs
    ]


SMALL_ENCODINGS = sorted({octets for point in SMALL for octets in _encodings(point)})


def _challenge(r, a, message=MESSAGE):
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def _is_accepted(a, signature):
    """The rule of the page, written down for a second time."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L or a in SMALL_ENCODINGS or r in SMALL_ENCODINGS:
        return False
    point = _decoded(a)
    if point is None or _encoded(point) != a:
        return False
    minus = (P - point[0], point[1])
    return r == _encoded(_add(_times(s, BASE), _times(_challenge(r, a), minus)))


def _cases():
    """Yield name, key and signature; secrets are small numbers, because nothing here is to stay secret."""
    secret, nonce = 0x1234567, 0x89ABCDE
    good_a, good_r = _encoded(_times(secret, BASE)), _encoded(_times(nonce, BASE))
    good_s = (nonce + _challenge(good_r, good_a) * secret) % L
    yield "plain", good_a, good_r + good_s.to_bytes(32, "little")
    for times in (1, 2, 7):
        yield f"S + {times} L", good_a, good_r + (good_s + times * L).to_bytes(32, "little")
    yield "S = L", good_a, good_r + L.to_bytes(32, "little")
    yield "S, top bit", good_a, good_r + (good_s | SIGN).to_bytes(32, "little")
    yield "65 octets", good_a, good_r + good_s.to_bytes(32, "little") + b"\x00"
    yield "63 octets", good_a, good_r + good_s.to_bytes(32, "little")[:31]
    for number, octets in enumerate(SMALL_ENCODINGS):
        # With A of small order S = nonce holds wherever k * A is neutral; with A neutral it always does.
        yield f"A small {number}", octets, good_r + nonce.to_bytes(32, "little")
        # R of small order, taken by the cofactored equation; the neutral one by the other as well.
        s = _challenge(octets, good_a) * secret % L
        yield f"R small {number}", good_a, octets + s.to_bytes(32, "little")
        for other, r in enumerate(SMALL_ENCODINGS):
            yield f"A small {number}, R small {other}, S = 0", octets, r + bytes(32)
    for order, torsion in enumerate(SMALL[1:], 1):
        mixed_a = _encoded(_add(_times(secret, BASE), torsion))
        mixed_r = _encoded(_add(_times(nonce, BASE), torsion))
        s = (nonce + _challenge(mixed_r, good_a) * secret) % L
        yield f"R mixed {order}", good_a, mixed_r + s.to_bytes(32, "little")
        for tried in range(40):
            # A of mixed order: both equations hold where k * torsion is neutral, else the cofactored one alone.
            r = _encoded(_times(nonce + tried, BASE))
            s = (nonce + tried + _challenge(r, mixed_a) * secret) % L
            yield f"A mixed {order}, {tried}", mixed_a, r + s.to_bytes(32, "little")
        for other, second in enumerate(SMALL):
            r = _encoded(_add(_times(nonce, BASE), second))
            s = (nonce + _challenge(r, mixed_a) * secret) % L
            yield f"A mixed {order}, R mixed {other}", mixed_a, r + s.to_bytes(32, "little")
    for y in range(19):
        for sign in (0, 1):
            octets = (y + P | sign << 255).to_bytes(32, "little")
            yield f"A not canonical {y} {sign}", octets, good_r + good_s.to_bytes(32, "little")
            yield f"R not canonical {y} {sign}", good_a, octets + good_s.to_bytes(32, "little")


CASES = list(_cases())


def _is_taken(a, signature):
    """Ask ours."""
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(a)
        verify(key, signature, MESSAGE)
    except SignatureError:
        return False
    return True


def test_the_arithmetic_is_that_of_the_curve():
    """What the cases are made with agrees with the library on keys and signatures, so that they mean something."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    a, signature = key.public_key().public_bytes_raw(), key.sign(MESSAGE)

    assert ((0, 1), (0, 1)) == (_times(L, BASE), _times(8, TORSION))
    assert _is_accepted(a, signature)
    assert not _is_accepted(a, signature[:-1] + bytes([signature[-1] ^ 1]))


def test_there_are_14_encodings_of_points_of_small_order():
    """The list of the page, and no other: every encoding of the 8 points that a verifier could read as one of them."""
    from govbus.signing import algorithms

    assert 14 == len(SMALL_ENCODINGS)
    assert frozenset(SMALL_ENCODINGS) == algorithms._ED25519_SMALL_ORDER


def test_accepted_is_what_the_page_says_and_nothing_else(record_property):
    """Ours and the page's rule agree on every case; some of mixed order are accepted, most are not."""
    expected = {name: _is_accepted(a, signature) for name, a, signature in CASES}
    found = {name: _is_taken(a, signature) for name, a, signature in CASES}
    mixed = [is_good for name, is_good in expected.items() if name.startswith("A mixed")]

    record_property("cases", len(CASES))
    assert expected == found
    assert expected["plain"]
    assert any(mixed)
    assert not all(mixed)
    assert {"plain"} == {
        name for name, is_good in expected.items() if is_good and not name.startswith("A mixed")
    }


def test_openssl_takes_all_of_ours_and_refuses_more_only_where_the_page_does(tmp_path, record_property):
    """Whatever we accept openssl accepts; whatever it accepts beyond has A or R of small order, or A not canonical."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not there")
    (tmp_path / "text").write_bytes(MESSAGE)
    chosen = [case for case in CASES if "S = 0" not in case[0] or hash_of(case[0]) % 8 == 0]
    files, wrong = ("-in", "text", "-sigfile", "signature"), []
    for name, a, signature in chosen:
        (tmp_path / "key.der").write_bytes(SPKI_PREFIX + a)
        (tmp_path / "signature").write_bytes(signature)
        result = subprocess.run(
            [
                openssl,
                *["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-rawin"],
                *files,
            ],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
        point = _decoded(a)
        is_ours_to_refuse = (
            a in SMALL_ENCODINGS or signature[:32] in SMALL_ENCODINGS or point is None or _encoded(point) != a
        )
        if (result.returncode == 0 and not is_ours_to_refuse) != _is_taken(a, signature):
            wrong.append(name)

    record_property("cases", len(chosen))
    assert [] == wrong


def hash_of(name):
    """Return a number of a name that is the same in every process."""
    return hashlib.sha256(name.encode()).digest()[0]
