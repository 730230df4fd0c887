"""A message format of our own in both syntaxes, and a message of each that breaks nothing."""

import json

from govbus.routing.directory.model import NiemFormat

STRUCTURES = "https://docs.oasis-open.org/niemopen/ns/model/structures/6.0/"
CASE = "https://court.example/ns/case/1.0/"
PARTY = "https://court.example/ns/party/1.0/"
ROOT = f"{{{CASE}}}CaseMessage"

STRUCTURES_XSD = f"""<xs:schema targetNamespace="{STRUCTURES}" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:structures="{STRUCTURES}" version="1" xml:lang="en-US">
  <xs:attribute name="id" type="xs:ID"/>
  <xs:attribute name="ref" type="xs:IDREF"/>
  <xs:attribute name="uri" type="xs:anyURI"/>
  <xs:attributeGroup name="Identity">
    <xs:attribute ref="structures:id"/>
    <xs:attribute ref="structures:ref"/>
    <xs:attribute ref="structures:uri"/>
  </xs:attributeGroup>
</xs:schema>"""

PARTY_XSD = f"""<xs:schema targetNamespace="{PARTY}" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:party="{PARTY}" xmlns:structures="{STRUCTURES}" version="1" xml:lang="en-US">
  <xs:import namespace="{STRUCTURES}" schemaLocation="../base/structures.xsd"/>
  <xs:element name="PartyNote" type="xs:string"/>
  <xs:complexType name="PartyType">
    <xs:sequence>
      <xs:element ref="party:PartyName" minOccurs="0"/>
      <xs:element ref="party:PartyAugmentationPoint" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
    <xs:attributeGroup ref="structures:Identity"/>
    <xs:attribute ref="party:homeURI"/>
    <xs:attribute name="page" type="party:PageURI"/>
    <xs:anyAttribute namespace="http://www.w3.org/XML/1998/namespace" processContents="skip"/>
  </xs:complexType>
  <xs:simpleType name="PageURI"><xs:restriction base="party:AnyURI"/></xs:simpleType>
  <xs:simpleType name="AnyURI"><xs:restriction base="xs:anyURI"/></xs:simpleType>
  <xs:attribute name="homeURI" type="xs:anyURI"/>
  <xs:element name="Party" type="party:PartyType" nillable="true"/>
  <xs:element name="PartyName" type="xs:string"/>
  <xs:element name="PartyAugmentationPoint" abstract="true"/>
</xs:schema>"""

CASE_XSD = f"""<xs:schema targetNamespace="{CASE}" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:case="{CASE}" xmlns:party="{PARTY}" version="1" xml:lang="en-US">
  <xs:import namespace="{PARTY}" schemaLocation="model/party.xsd"/>
  <xs:element name="CaseMessage" type="case:CaseMessageType"/>
  <xs:complexType name="CaseMessageType">
    <xs:sequence>
      <xs:element ref="case:CaseFiledDate"/>
      <xs:element ref="party:Party" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
    <xs:anyAttribute namespace="http://www.w3.org/XML/1998/namespace" processContents="skip"/>
  </xs:complexType>
  <xs:element name="CaseFiledDate" type="xs:date"/>
  <xs:element name="PartyAugmentation" type="case:PartyAugmentationType"
      substitutionGroup="party:PartyAugmentationPoint"/>
  <xs:complexType name="PartyAugmentationType">
    <xs:sequence><xs:element ref="case:PartyRoleCode"/></xs:sequence>
  </xs:complexType>
  <xs:element name="PartyRoleCode">
    <xs:simpleType><xs:restriction base="xs:token"><xs:pattern value="[A-Z]{{2}}"/></xs:restriction></xs:simpleType>
  </xs:element>
</xs:schema>"""

XML_FORMAT = NiemFormat(
    syntax="xml",
    place="body.message",
    schemas={
        "case.xsd": CASE_XSD.encode(),
        "model/party.xsd": PARTY_XSD.encode(),
        "base/structures.xsd": STRUCTURES_XSD.encode(),
    },
    main="case.xsd",
    root=ROOT,
)
XML_MESSAGE = f"""<case:CaseMessage xmlns:case="{CASE}" xmlns:party="{PARTY}" xmlns:structures="{STRUCTURES}"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xml:base="https://court.example/messages/1">
  <case:CaseFiledDate>2026-11-02</case:CaseFiledDate>
  <party:Party structures:id="P1" party:homeURI="https://people.example/?q=1#home" page="pages/1">
    <party:PartyName>Clara Vogel</party:PartyName>
    <case:PartyAugmentation><case:PartyRoleCode>PL</case:PartyRoleCode></case:PartyAugmentation>
  </party:Party>
  <party:Party structures:ref="P1" xsi:nil="true"/>
  <party:Party structures:uri="#P1"/>
</case:CaseMessage>"""

JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"case:CaseMessage": {"$ref": "#/$defs/case:CaseMessageType"}},
    "required": ["case:CaseMessage"],
    "$defs": {
        "case:CaseMessageType": {
            "type": "object",
            "properties": {
                "case:CaseFiledDate": {"type": "string", "format": "date"},
                "party:Party": {"type": "array", "items": {"$ref": "party.json#/$defs/party:PartyType"}},
                "party:Victim": {"$ref": "party.json#/$defs/party:VictimType"},
                "party:Charge": {"$ref": "party.json#/$defs/party:ChargeType"},
            },
            "required": ["case:CaseFiledDate"],
        }
    },
}
PARTY_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "party:PartyType": {
            "type": "object",
            "properties": {
                "@id": {"type": "string"},
                "party:PartyName": {"type": "string", "pattern": "^\\S.*$"},
                "party:PartyAge": {"type": "integer"},
                "party:Address": {"$ref": "#/$defs/party:AddressType"},
            },
        },
        "party:VictimType": {"allOf": [{"$ref": "#/$defs/party:PartyType"}, {"type": "object"}]},
        "party:ChargeType": {
            "type": "object",
            "properties": {"@id": {"type": "string"}, "party:ChargeText": {"type": "string"}},
        },
        "party:AddressType": {
            "type": "object",
            "referenceCode": "NONE",
            "properties": {"party:CityName": {"type": "string"}},
        },
    },
}
JSON_FORMAT = NiemFormat(
    syntax="json",
    place="body.message",
    schemas={"case.json": json.dumps(JSON_SCHEMA).encode(), "party.json": json.dumps(PARTY_SCHEMA).encode()},
    main="case.json",
    root="case:CaseMessage",
    context={"case": CASE, "party": PARTY},
    context_uri="https://court.example/ns/case/1.0/context.jsonld",
)
JSON_MESSAGE = {
    "$schema": "case.json",
    "@context": {"case": CASE, "party": PARTY, "name": "party:PartyName"},
    "case:CaseMessage": {
        "case:CaseFiledDate": "2026-11-02",
        "party:Party": [
            {"@id": "#P1", "party:PartyName": "Clara Vogel", "party:PartyAge": 41},
            {"@id": "#P2", "name": "Ada Brandt", "party:Address": {"party:CityName": "Bern"}},
        ],
        "party:Victim": {"@id": "#P1"},
        "party:Charge": {"@id": "#C1", "party:ChargeText": "Fraud"},
    },
}
PERSONAL = ("Clara", "Vogel", "Ada", "Brandt", "Bern", "Fraud", "people.example")
"""What no finding may repeat."""
