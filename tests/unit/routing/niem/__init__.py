"""NIEM payloads: messages and names."""
