"""Avro schemas: hashes, the codec, composition of document schemas, and the catalogue that finds them."""
