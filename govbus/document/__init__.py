"""Value types of a document on its way: identifiers, headers, statement, record, findings."""
