"""The agency's side: from an agency system to signed records that wait durably for the broker."""
