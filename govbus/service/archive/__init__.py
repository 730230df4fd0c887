"""Writing archives from a running bus, verifying them, and taking them over into another place."""
