"""The archive: a folder that holds a bus's whole message log and what it decided about, for good.

Implements ``docs/specs/archive.md``.
"""
