"""Whatever a sender puts in the place of a NIEM message, the bus answers with findings and goes on."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.routing.niem import bounds
from govbus.routing.niem.json_message import json_breaches
from govbus.routing.niem.json_schema import compile_json
from govbus.routing.niem.naming import naming_breaches
from govbus.routing.niem.pattern_syntax import Dialect, PatternError
from govbus.routing.niem.patterns import pattern_degree
from govbus.routing.niem.xml_message import xml_breaches
from govbus.routing.niem.xml_schema import compile_xml
from tests.unit.routing.niem import samples

XML = compile_xml(samples.XML_FORMAT)
JSON = compile_json(samples.JSON_FORMAT)
NAMES = sorted(
    {*samples.JSON_MESSAGE, "@id", "@context", "@type", "@graph", "@list", "party:Party", "party:PartyName"}
)
SLOW = settings(deadline=None, max_examples=150)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.just("#P1"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


def _sane(found, place="body.message"):
    """Check that findings are few, short and placed, and repeat nothing of the sample."""
    assert len(found) <= bounds.BREACHES_MAX
    for breach in found:
        assert breach.field.startswith(place)
        assert len(breach.field) <= len(place) + 2 * bounds.PATH_CHARACTERS_MAX
        assert not any(personal in breach.field + breach.detail for personal in samples.PERSONAL)


@SLOW
@given(st.binary(max_size=300))
def test_any_bytes(octets):
    """Any bytes at all give findings, and no failure."""
    for found in (
        list(xml_breaches(octets, XML, "body.message")),
        list(json_breaches(octets, JSON, "body.message")),
    ):
        assert found
        _sane(found)


@SLOW
@given(st.data())
def test_xml_message_with_a_stretch_replaced(data):
    """A message with any stretch of it replaced by any text gives findings or none, and no failure."""
    message = samples.XML_MESSAGE
    begin = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(begin, min(len(message), begin + 40)))
    piece = data.draw(
        st.sampled_from(["", "<", "&", "]]>", "<!--", '"', "xsi:nil='1'", "<!DOCTYPE a>"])
        | st.text(max_size=10)
    )
    changed = (message[:begin] + piece + message[end:]).encode("utf-8", "surrogatepass")

    _sane(list(xml_breaches(changed, XML, "body.message")))


@SLOW
@given(
    json_values,
    st.sampled_from([(), ("@context",), ("case:CaseMessage",), ("case:CaseMessage", "party:Party")]),
)
def test_json_message_with_a_part_replaced(value, path):
    """A message with any part of it replaced by any JSON gives findings or none, and no failure."""
    message = json.loads(json.dumps(samples.JSON_MESSAGE))
    if path:
        node = message
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value
    else:
        message = value

    _sane(list(json_breaches(json.dumps(message).encode(), JSON, "body.message")))


@SLOW
@given(json_values)
def test_any_schema_can_be_looked_at(value):
    """Any JSON in the place of a payload schema gives findings on names or none, and no failure."""
    for definition in (
        value,
        {"govbus.niem": value, "type": "record", "name": value, "fields": [{"name": value, "type": value}]},
    ):
        if isinstance(definition, dict):
            assert all(breach.rule == "NDR-7" for breach in naming_breaches(definition))


@SLOW
@given(st.text(alphabet="ab*+?{}()[]|^$\\dwpLx-.,01:=!<P", max_size=30), st.sampled_from(Dialect))
def test_any_pattern_can_be_judged(pattern, dialect):
    """Any text in the place of a pattern has a degree or is refused."""
    try:
        assert 0 <= pattern_degree(pattern, dialect)
    except PatternError as err:
        assert str(err)


@pytest.mark.parametrize("syntax", ["xml", "json"])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(deadline=None, max_examples=50)
def test_any_schema_file(syntax, octets):
    """Any bytes in the place of a schema file are refused with the file named, or are a schema."""
    base = samples.XML_FORMAT if syntax == "xml" else samples.JSON_FORMAT
    changed = dataclasses.replace(base, schemas={**base.schemas, "other": octets})
    ready = compile_xml(changed) if syntax == "xml" else compile_json(changed)
    assert not isinstance(ready, list) or {"schemas.other"} == {breach.field for breach in ready}
