"""NIEM payloads: checks messages and names by rules of the NIEM Naming and Design Rules (NDR) 6.0.

`formats` is the way in: it reads a registered message format once and then judges messages by it. XML messages are
judged by `xml_message`, JSON messages by `json_message`, names in Avro schemas by `naming`. The libraries that read
XML, JSON Schema and JSON-LD are loaded when the first message format is, not before.

``docs/niem.md`` says which rules are checked, how far, and which are not. Section 6 of the NDR knows no conformance
of tools, and nothing here claims any.
"""
