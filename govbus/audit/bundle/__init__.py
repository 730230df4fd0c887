"""Evidence bundles: everything about one document in one ZIP file, checkable without govbus."""
