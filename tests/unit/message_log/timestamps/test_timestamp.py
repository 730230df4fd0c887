"""RFC 3161 timestamps: what verifies, and each thing that alone must refuse, everything else signed again."""

import hashlib
from typing import ClassVar

import pytest
from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from govbus.errors import TimestampError
from govbus.message_log.timestamp import TIMESTAMP_BYTES_MAX, Timestamp, timestamp_request
from govbus.testing.tsa import POLICY, YEAR_MS, FakeTsa, issue, root

TEXT = b"bus.example/log/heads\n7\nroot\n"
AT_MS = 30 * YEAR_MS + 123
CA = (x509.BasicConstraints(ca=True, path_length=None), True)
TIME_STAMPING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)


@pytest.fixture(scope="module")
def tsa():
    return FakeTsa.make()


def refusal(tsa, *, text=TEXT, at_ms=AT_MS, anchors=None, options=None, **edits):
    with pytest.raises(TimestampError) as caught:
        tsa.stamp(TEXT, at_ms, **edits).verify(
            text, tsa.anchors if anchors is None else anchors, **(options or {})
        )
    return caught.value.message


def test_a_timestamp_says_what_the_authority_signed(tsa):
    """Time, serial, policy, nonce and imprint are those of the token, and verification returns the time."""
    stamp = tsa.stamp(TEXT, AT_MS, nonce=2**64 - 1)

    assert AT_MS == stamp.verify(TEXT, tsa.anchors, nonce=2**64 - 1, policies=[POLICY])
    assert (tsa.serial, POLICY, 2**64 - 1) == (stamp.serial, stamp.policy, stamp.nonce)
    assert ("sha256", hashlib.sha256(TEXT).digest()) == (stamp.hash_name, stamp.imprint)
    assert tsa.own.certificate == stamp.signer


def test_a_nonce_that_nobody_asked_with_is_not_compared(tsa):
    """Whoever finds a timestamp later did not ask for it."""
    assert AT_MS == tsa.stamp(TEXT, AT_MS, nonce=5).verify(TEXT, tsa.anchors)


@pytest.mark.parametrize(
    ("make", "hash_name"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "sha256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "sha384"),
        (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), "sha512"),
        (ed25519.Ed25519PrivateKey.generate, "sha512"),
        (mldsa.MLDSA65PrivateKey.generate, "sha512"),
    ],
    ids=["P-256", "P-384", "RSASSA-PSS", "Ed25519", "ML-DSA-65"],
)
def test_every_pinned_algorithm_verifies(make, hash_name):
    """Each algorithm verifies, and refuses when one bit of its signature is turned."""
    tsa = FakeTsa.make(key=make(), hash_name=hash_name)

    def turn_a_bit(signed):
        info = signed["signer_infos"][0]
        info["signature"] = bytes([*info["signature"][:-1], info["signature"][-1] ^ 1])

    assert AT_MS == tsa.stamp(TEXT, AT_MS, imprint_hash=hash_name).verify(TEXT, tsa.anchors)
    assert "signature" in refusal(tsa, edit_signed=turn_a_bit)


def test_another_text_is_refused(tsa):
    """The imprint is compared first."""
    assert "another text" in refusal(tsa, text=TEXT + b"x")


def test_another_nonce_is_refused(tsa):
    """An answer to another request is no answer, and neither is one without a nonce."""
    assert "another request" in refusal(tsa, nonce=8, options={"nonce": 7})
    assert "another request" in refusal(tsa, options={"nonce": 7})


def test_another_policy_is_refused(tsa):
    """Only listed policies are accepted where there is a list."""
    assert POLICY in refusal(tsa, options={"policies": ["1.2.3.4"]})


def test_a_token_of_another_authority_is_refused(tsa):
    """Anchors of another root do not vouch for it, not even one of the same name."""
    assert "no chain leads" in refusal(tsa, anchors=[root().certificate])
    assert "no chain leads" in refusal(tsa, anchors=[])


@pytest.mark.parametrize(
    ("usage", "is_critical"),
    [
        ((), True),
        ((ExtendedKeyUsageOID.CLIENT_AUTH,), True),
        ((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CLIENT_AUTH), True),
        ((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), True),
        ((ExtendedKeyUsageOID.TIME_STAMPING,), False),
    ],
    ids=["none", "another", "two", "any", "not critical"],
)
def test_a_certificate_for_something_else_is_refused(usage, is_critical):
    """RFC 3161 section 2.3: timeStamping alone, and critical."""
    tsa = FakeTsa.make(usage=usage, is_usage_critical=is_critical)

    assert "extended key usage" in refusal(tsa)


@pytest.mark.parametrize(
    ("at_ms", "word"), [(YEAR_MS - 1, "not yet valid"), (2 * YEAR_MS + 1000, "had expired")]
)
def test_a_certificate_not_valid_at_the_tokens_time_is_refused(at_ms, word):
    """The token's own time counts; the last valid second counts whole."""
    tsa = FakeTsa.make(not_before_ms=YEAR_MS, not_after_ms=2 * YEAR_MS)

    assert YEAR_MS == tsa.stamp(TEXT, YEAR_MS).verify(TEXT, tsa.anchors)
    assert 2 * YEAR_MS + 999 == tsa.stamp(TEXT, 2 * YEAR_MS + 999).verify(TEXT, tsa.anchors)
    assert word in refusal(tsa, at_ms=at_ms)


def test_a_root_expired_at_the_tokens_time_is_refused():
    """An anchor that had expired vouches for nothing new, which is also what openssl says."""
    tsa = FakeTsa.make(issuer=root(not_after_ms=YEAR_MS))

    assert "had expired" in refusal(tsa)


def test_a_content_changed_after_signing_is_refused(tsa):
    """The message digest attribute no longer fits."""

    def backdate(signed):
        info = tsp.TSTInfo.load(bytes(signed["encap_content_info"]["content"])).native
        info["serial_number"] = 9999
        signed["encap_content_info"]["content"] = core.ParsableOctetString(tsp.TSTInfo(info).dump())

    assert "message digest" in refusal(tsa, edit_signed=backdate)


def test_a_message_digest_of_something_else_is_refused(tsa):
    """Although the attributes are signed over it."""

    def swap(attributes):
        attributes[1]["values"] = [bytes(32)]

    assert "message digest" in refusal(tsa, edit_attributes=swap)


def test_a_message_digest_changed_after_signing_is_refused(tsa):
    """Content and digest made to fit each other do not fit the signature."""

    def swap(signed):
        info = tsp.TSTInfo.load(bytes(signed["encap_content_info"]["content"])).native
        info["serial_number"] = 9999
        content = tsp.TSTInfo(info).dump()
        signed["encap_content_info"]["content"] = core.ParsableOctetString(content)
        attributes = signed["signer_infos"][0]["signed_attrs"].native
        attributes[1]["values"] = [hashlib.sha256(content).digest()]
        signed["signer_infos"][0]["signed_attrs"] = cms.CMSAttributes(
            [cms.CMSAttribute({"type": one["type"], "values": one["values"]}) for one in attributes]
        )

    assert "signature" in refusal(tsa, edit_signed=swap)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda attributes: attributes.append(attributes[1]), "stands twice"),
        (lambda attributes: attributes.pop(0), "content_type"),
        (lambda attributes: attributes.pop(1), "message_digest"),
        (lambda attributes: attributes.pop(2), "signing_certificate"),
        (lambda attributes: attributes[0].update(values=["data"]), "another type of content"),
    ],
    ids=["digest twice", "no content type", "no digest", "no certificate id", "another content type"],
)
def test_signed_attributes_of_another_shape_are_refused(tsa, edit, word):
    """Each required attribute is there once and says what it must."""
    assert word in refusal(tsa, edit_attributes=edit)


def test_signed_attributes_that_name_another_certificate_are_refused(tsa):
    """A second certificate for the authority's key cannot take the place of the named one."""
    other = issue("Test TSA", issuer=tsa.root, key=tsa.own.key, extensions=[TIME_STAMPING])
    twin = FakeTsa(tsa.root, other)

    def name_the_first(attributes):
        der = tsa.own.certificate.public_bytes(Encoding.DER)
        attributes[2]["values"] = [{"certs": [{"cert_hash": hashlib.sha256(der).digest()}]}]

    assert "another certificate" in refusal(twin, edit_attributes=name_the_first)


def test_a_certificate_id_with_sha1_is_read(tsa):
    """RFC 3161 itself asks for it, and old authorities still send no other."""

    def old_style(attributes):
        der = tsa.own.certificate.public_bytes(Encoding.DER)
        attributes[2] = {
            "type": "signing_certificate",
            "values": [{"certs": [{"cert_hash": hashlib.sha1(der, usedforsecurity=False).digest()}]}],
        }

    assert AT_MS == tsa.stamp(TEXT, AT_MS, edit_attributes=old_style).verify(TEXT, tsa.anchors)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda info: info.update(version="v2"), "version 1"),
        (
            lambda info: info.update(
                extensions=[{"extn_id": "1.2.3", "critical": True, "extn_value": b"\x05\x00"}]
            ),
            "critical extension",
        ),
        (lambda info: info["message_imprint"]["hash_algorithm"].update(algorithm="sha1"), "message imprint"),
    ],
    ids=["version", "critical extension", "SHA-1"],
)
def test_an_info_that_is_not_understood_is_refused(tsa, edit, word):
    """What would have to be understood, and is not, refuses."""
    assert word in refusal(tsa, edit_info=edit)


def test_accuracy_is_read(tsa):
    """Seconds, thousandths and millionths together, rounded up."""
    stamp = tsa.stamp(
        TEXT,
        AT_MS,
        edit_info=lambda info: info.update(accuracy={"seconds": 1, "millis": 500, "micros": 1}),
    )

    assert 1501 == stamp.accuracy_ms
    assert tsa.stamp(TEXT, AT_MS).accuracy_ms is None


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda signed: signed.update(certificates=[]), "lacks the certificate"),
        (lambda signed: signed.update(signer_infos=signed["signer_infos"] * 2), "one signer"),
        (lambda signed: signed.update(signer_infos=[]), "one signer"),
        (lambda signed: signed.update(certificates=signed["certificates"] * 17), "16 certificates"),
        (
            lambda signed: signed["signer_infos"][0].update(digest_algorithm={"algorithm": "sha1"}),
            "found sha1",
        ),
        (lambda signed: signed["signer_infos"][0].pop("signed_attrs"), "no signed attributes"),
    ],
    ids=["no certificate", "two signers", "no signer", "too many", "SHA-1 digest", "no attributes"],
)
def test_a_signature_of_another_shape_is_refused(tsa, edit, word):
    """One signer, its certificate, a few more, and a digest that counts."""
    assert word in refusal(tsa, edit_signed=edit)


@pytest.mark.parametrize(
    ("status", "failure", "words"),
    [
        ("rejection", {"bad_alg"}, "refused: rejection, bad_alg"),
        ("waiting", None, "refused: waiting"),
        ("granted", None, "sent none"),
    ],
)
def test_a_response_without_a_token_is_refused(status, failure, words):
    """A refusal is told in the words of RFC 3161; a granted response must have a token."""
    fields = {"status": status} | ({"fail_info": failure} if failure else {})

    class Response(core.Sequence):
        _fields: ClassVar = [("status", tsp.PKIStatusInfo)]

    with pytest.raises(TimestampError, match=words):
        Timestamp.from_response(Response({"status": fields}).dump())


def test_a_refusal_with_a_token_is_refused(tsa):
    """The status counts, whatever comes with it."""
    response = tsp.TimeStampResp.load(tsa.response(TEXT, AT_MS))
    response["status"] = {"status": "rejection"}

    with pytest.raises(TimestampError, match="refused"):
        Timestamp.from_response(response.dump())


def test_octets_that_are_no_response_are_refused(tsa):
    """Cut short, with something after it, too large, or not a response at all."""
    der = tsa.response(TEXT, AT_MS)
    for octets in (b"", der[:-1], der + b"\x00", b"\x30\x00", b"not DER", b"\x30" + der):
        with pytest.raises(TimestampError):
            Timestamp.from_response(octets)
    with pytest.raises(TimestampError, match="65536"):
        Timestamp.from_response(der + bytes(TIMESTAMP_BYTES_MAX))


def test_a_chain_in_any_order_leads_to_the_root():
    """Authorities send the certificates between, in an order of their own, and others besides."""
    top = root()
    between = issue("Between", issuer=top, extensions=[CA])
    for chain in (
        [between.certificate],
        [root("Stranger").certificate, between.certificate, top.certificate],
    ):
        tsa = FakeTsa.make(issuer=between, chain=chain)

        stamp = tsa.stamp(TEXT, AT_MS)

        assert AT_MS == stamp.verify(TEXT, [top.certificate])
        expected = (tsa.own.certificate, between.certificate, top.certificate)
        assert expected == stamp.chain([top.certificate])


def test_a_chain_that_is_not_sent_can_be_given():
    """A certificate between may come from the caller, who need not trust it."""
    top = root()
    between = issue("Between", issuer=top, extensions=[CA])
    stamp = FakeTsa.make(issuer=between).stamp(TEXT, AT_MS)

    with pytest.raises(TimestampError, match="no chain leads"):
        stamp.verify(TEXT, [top.certificate])
    assert AT_MS == stamp.verify(TEXT, [top.certificate], intermediates=[between.certificate])


def test_the_authoritys_own_certificate_can_be_the_anchor(tsa):
    """Trust may be put in one authority and not in whoever certified it."""
    assert AT_MS == tsa.stamp(TEXT, AT_MS).verify(TEXT, [tsa.own.certificate])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"extensions": []}, "no certificate authority"),
        (
            {"extensions": [(x509.BasicConstraints(ca=False, path_length=None), True)]},
            "no certificate authority",
        ),
        ({"extensions": [CA], "not_after_ms": YEAR_MS}, "had expired"),
        (
            {
                "extensions": [
                    CA,
                    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
                ]
            },
            "may not issue for time stamping",
        ),
        (
            {
                "extensions": [
                    CA,
                    (
                        x509.KeyUsage(
                            digital_signature=True,
                            content_commitment=False,
                            key_encipherment=False,
                            data_encipherment=False,
                            key_agreement=False,
                            key_cert_sign=False,
                            crl_sign=True,
                            encipher_only=False,
                            decipher_only=False,
                        ),
                        True,
                    ),
                ]
            },
            "not for certificates",
        ),
        (
            {
                "extensions": [
                    CA,
                    (
                        x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=[x509.DNSName("x")]),
                        True,
                    ),
                ]
            },
            "critical extension",
        ),
    ],
    ids=["no constraints", "no CA", "expired", "other purpose", "no certificates", "name constraints"],
)
def test_a_certificate_between_that_may_not_issue_is_refused(options, word):
    """Every certificate on the way is held to RFC 5280, and the error says which is at fault."""
    top = root()
    between = issue("Between", issuer=top, **options)
    tsa = FakeTsa.make(issuer=between, chain=[between.certificate])

    message = refusal(tsa, anchors=[top.certificate])

    assert word in message
    assert "Between" in message


def test_a_path_length_is_kept():
    """A root that allows no authority below it does not vouch for one."""
    top = root(extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
    between = issue("Between", issuer=top, extensions=[CA])
    tsa = FakeTsa.make(issuer=between, chain=[between.certificate])

    assert AT_MS == FakeTsa.make(issuer=top).stamp(TEXT, AT_MS).verify(TEXT, [top.certificate])
    assert "path length" in refusal(tsa, anchors=[top.certificate])


def test_certificates_that_issue_each_other_end_the_search():
    """A circle of certificates leads nowhere, and is left."""
    first, second = root("First"), root("Second")
    crossed = issue("First", issuer=second, key=first.key, extensions=[CA])
    back = issue("Second", issuer=first, key=second.key, extensions=[CA])
    tsa = FakeTsa.make(issuer=first, chain=[crossed.certificate, back.certificate])

    assert "no chain leads" in refusal(tsa, anchors=[root("Third").certificate])


def test_a_request_is_what_rfc_3161_says():
    """Version 1, imprint of the text, nonce, and the certificate asked for."""
    request = tsp.TimeStampReq.load(timestamp_request(TEXT, nonce=99, hash_name="sha512"), strict=True).native

    assert ("v1", 99, True) == (request["version"], request["nonce"], request["cert_req"])
    assert hashlib.sha512(TEXT).digest() == request["message_imprint"]["hashed_message"]
    for options in ({"nonce": -1}, {"nonce": 1 << 64}, {"nonce": 1, "hash_name": "sha1"}):
        with pytest.raises(TimestampError):
            timestamp_request(TEXT, **options)
