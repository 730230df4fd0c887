"""Revocation material on a running bus: fetched from authorities, published, followed by everyone who decides."""
