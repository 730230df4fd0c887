"""Apache Avro: what a value and its schema must be.

AVR-1 and AVR-4 are judged where a document is decoded (`govbus.routing.decide`); AVR-2 and AVR-3 when a schema is
registered (`govbus.schemas.compatibility`, `govbus.schemas.governance`). What is left here is AVR-5.
"""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach, Severity
from govbus.errors import SchemaError
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule
from govbus.schemas.single_object import marked_paths, octets_at, unwrap_single_object

RULES = (
    Rule(
        id="AVR-1",
        citation="Apache Avro 1.12 specification, Binary Encoding",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The value decodes with the registered writer schema and nothing is left over.",
        accepted="Bytes that the schema named by the frame describes from the first to the last.",
        passing="raw: {}",
        failing='raw: {avro_append: "00"}',
    ),
    Rule(
        id="AVR-2",
        citation="Apache Avro 1.12 specification, Schema Resolution",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION,),
        explanation="A new version of a schema reads what earlier versions wrote, and is read by them, as far as the "
        "package's compatibility mode asks: FULL_TRANSITIVE unless it says otherwise. Logical types may not change, "
        "because the same bytes would be read as another value.",
        accepted="A version that adds and removes only fields with a default, and leaves types alone.",
        passing="""\
schemas:
  - type: record
    name: Assessment
    namespace: tax
    doc: A tax assessment.
    fields:
      - {name: case_id, doc: Identifier of the case., type: string}
      - {name: amount, doc: Amount assessed., type: string}
  - type: record
    name: Assessment
    namespace: tax
    doc: A tax assessment.
    fields:
      - {name: case_id, doc: Identifier of the case., type: string}
      - {name: amount, doc: Amount assessed., type: string}
      - {name: remark, doc: Remark of the officer., type: ["null", string], default: null}
""",
        failing="""\
schemas:
  - type: record
    name: Assessment
    namespace: tax
    doc: A tax assessment.
    fields:
      - {name: case_id, doc: Identifier of the case., type: string}
      - {name: amount, doc: Amount assessed., type: string}
  - type: record
    name: Assessment
    namespace: tax
    doc: A tax assessment.
    fields:
      - {name: case_id, doc: Identifier of the case., type: string}
      - {name: amount, doc: Amount assessed., type: string}
      - {name: remark, doc: Remark of the officer., type: string}
""",
    ),
    Rule(
        id="AVR-3",
        citation="Apache Avro 1.12 specification, Names and Logical Types; NIST SP 800-53 AU-8",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION,),
        explanation="Names are legal, nothing is defined twice, defaults are values of their type, and logical types "
        "are known, well-formed and inside the type they belong to: libraries ignore those that are not. Times are "
        "instants, so local-timestamp-* is refused, and a schema does not contain itself.",
        accepted="Names of letters, digits and _; logical types of the specification on their base types, such as "
        "timestamp-millis on long.",
        passing="""\
schema:
  type: record
  name: Assessment
  namespace: tax
  doc: A tax assessment.
  fields:
    - {name: case_id, doc: Identifier of the case., type: string}
    - {name: amount, doc: Amount assessed., type: string}
    - name: assessed_at
      doc: When it was made.
      type: ["null", {type: long, logicalType: timestamp-millis}]
      default: null
""",
        failing="""\
schema:
  type: record
  name: Assessment
  namespace: tax
  doc: A tax assessment.
  fields:
    - {name: case_id, doc: Identifier of the case., type: string}
    - {name: amount, doc: Amount assessed., type: string}
    - name: assessed_at
      doc: When it was made.
      type: ["null", {type: long, logicalType: local-timestamp-millis}]
      default: null
""",
    ),
    Rule(
        id="AVR-4",
        citation="Confluent wire format",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The frame's schema id, dataschema and the statement's schema hash name one registered schema.",
        accepted="The id, the URI and the hash of one schema, as the directory has them.",
        passing="raw: {}",
        failing="raw: {schema_id: 999}",
    ),
    Rule(
        id="AVR-5",
        citation="Apache Avro 1.12 specification, Single-object encoding",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="A field of bytes that its schema marks with govbus.encoding avro-single-object holds the marker "
        "C3 01, the fingerprint of a registered schema, and a value of it.",
        accepted="C3 01, the CRC-64-AVRO fingerprint of a registered schema in little-endian order, and its value.",
        passing="""\
schema:
  type: record
  name: Assessment
  namespace: tax
  doc: A tax assessment.
  fields:
    - {name: case_id, doc: Identifier of the case., type: string}
    - {name: amount, doc: Amount assessed., type: string}
    - name: original
      doc: The message as it came, in single-object encoding.
      type: ["null", bytes]
      default: null
      govbus.encoding: avro-single-object
body: {original: !!binary wwFYcdZrAn/GqQZLLTEIMS4wMAA=}
""",
        failing="""\
schema:
  type: record
  name: Assessment
  namespace: tax
  doc: A tax assessment.
  fields:
    - {name: case_id, doc: Identifier of the case., type: string}
    - {name: amount, doc: Amount assessed., type: string}
    - name: original
      doc: The message as it came, in single-object encoding.
      type: ["null", bytes]
      default: null
      govbus.encoding: avro-single-object
body: {original: !!binary wwEAAAAAAAAAAAA=}
""",
    ),
)
"""The rules of this family."""


def template_breaches(_facts: TemplateFacts) -> Iterator[Breach]:
    """Yield nothing: what documents of one template share holds no value."""
    yield from ()


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield the check of single objects, for the schemas that have a field of them."""
    paths = tuple(path for path in marked_paths(facts.schema.codec) if path[0] == "body")
    if not paths:
        return
    by_fingerprint = facts.directory.schemas.by_fingerprint

    def single_objects(document: DocumentFacts) -> Iterator[Breach]:
        for path in paths:
            for place, octets in octets_at(document.value, path):
                try:
                    codec, avro = unwrap_single_object(octets, by_fingerprint)
                    codec.decode(avro)
                except SchemaError as err:
                    # A value that does not decode is AVR-1 to the codec, and here a single object that is none.
                    yield Breach("AVR-5", place, err.message)

    yield single_objects
