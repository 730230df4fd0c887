"""Examples of the NIEM rules: a tax appeal as an XML message and as a JSON message."""

from __future__ import annotations

from typing import Final, NamedTuple


class Examples(NamedTuple):
    """An example that a rule lets pass, and one that it does not."""

    passing: str
    failing: str


_XML_FORMAT: Final = """\
package:
  niem:
    - syntax: xml
      place: body.reason
      files: [niem/appeal.xsd]
      main: niem/appeal.xsd
      root: "{https://tax.example/ns/appeal/1.0/}Appeal"
files:
  niem/appeal.xsd: |
    <xs:schema targetNamespace="https://tax.example/ns/appeal/1.0/" version="1.0" xml:lang="en-US"
        xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tax="https://tax.example/ns/appeal/1.0/">
      <xs:element name="Appeal" type="tax:AppealType"/>
      <xs:complexType name="AppealType">
        <xs:sequence>
          <xs:element ref="tax:AppealReceivedDate"/>
          <xs:element ref="tax:AppealReasonText" minOccurs="0"/>
        </xs:sequence>
      </xs:complexType>
      <xs:element name="AppealReceivedDate" type="xs:date"/>
      <xs:element name="AppealReasonText" type="xs:string"/>
    </xs:schema>
body:
  reason: |
    <tax:Appeal xmlns:tax="https://tax.example/ns/appeal/1.0/">
      <tax:AppealReceivedDate>{date}</tax:AppealReceivedDate>
    </tax:Appeal>
"""

_JSON_FORMAT: Final = """\
package:
  niem:
    - syntax: json
      place: body.reason
      files: [niem/appeal.json]
      main: niem/appeal.json
      root: tax:Appeal
      context: {tax: https://tax.example/ns/appeal/1.0/}
files:
  niem/appeal.json: |
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
     "properties": {"tax:Appeal": {"$ref": "#/$defs/tax:AppealType"}}, "required": ["tax:Appeal"],
     "$defs": {"tax:AppealType": {"type": "object", "required": ["tax:AppealReceivedDate"],
       "properties": {"tax:AppealReceivedDate": {"type": "string", "format": "date"}}}}}
body:
  reason: |
    {"@context": {"tax": "https://tax.example/ns/appeal/{version}/"},
     "tax:Appeal": {"tax:AppealReceivedDate": "2026-11-02"}}
"""

_SCHEMA: Final = """\
schema:
  type: record
  name: AppealType
  namespace: tax
  doc: A data type for an appeal against a tax assessment.
  govbus.niem: {namespace: https://tax.example/ns/appeal/1.0/, version: "1.0", language: en-US}
  fields:
    - {name: AppealID, type: string, doc: An identifier of the appeal.}
    - {name: AppealUrgentIndicator, type: boolean, doc: "{doc}"}
body: {case_id: null, amount: null, AppealID: A-7, AppealUrgentIndicator: false}
"""

EXAMPLES: Final = {
    "NDR-7": Examples(
        _SCHEMA.replace("{doc}", "True if the appeal is urgent; false otherwise."),
        _SCHEMA.replace("{doc}", "Whether the appeal is urgent."),
    ),
    "NDR-12": Examples(
        _XML_FORMAT.replace("{date}", "2026-11-02"), _XML_FORMAT.replace("{date}", "yesterday")
    ),
    "NDR-13": Examples(_JSON_FORMAT.replace("{version}", "1.0"), _JSON_FORMAT.replace("{version}", "2.0")),
}
"""By rule."""
