"""Shared registries: which source records are about the same entity. Pure; stores are ports."""
