"""Whether a new version of a schema keeps what readers and writers of the old ones rely on (rule AVR-2)."""

from __future__ import annotations

import enum


class Compatibility(enum.StrEnum):
    """What must hold between versions of one subject, as schema registries name it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    """The new schema reads what the last one wrote."""
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    """The new schema reads what any earlier one wrote."""
    FORWARD = "FORWARD"
    """The last schema reads what the new one writes."""
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    """Every earlier schema reads what the new one writes."""
    FULL = "FULL"
    """Both, against the last."""
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    """Both, against all: the only one under which a log can be replayed under any version."""
