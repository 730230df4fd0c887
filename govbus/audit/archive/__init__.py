"""The archive: folders that hold a bus's whole message log and what it decided about, for good."""
