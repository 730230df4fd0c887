"""Public keys that auditors are given as files."""

from __future__ import annotations

from govbus.service.log.key_folder import ED25519_PUBLIC, ML_DSA_PUBLIC, read_notes
from govbus.service.log.key_folder import read_log_keys as read_public_keys

__all__ = ["ED25519_PUBLIC", "ML_DSA_PUBLIC", "read_notes", "read_public_keys"]
