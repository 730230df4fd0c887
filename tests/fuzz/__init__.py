"""Campaigns with hostile input against every place where bytes of strangers enter (`make fuzz`)."""
