"""A certificate authority in a folder, for tests and small deployments, and the server that says what it revoked."""
