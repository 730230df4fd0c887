"""Erasing the content of a document everywhere the bus keeps it, and saying so in the log."""
