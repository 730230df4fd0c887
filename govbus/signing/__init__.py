"""Signatures over statements and batches of statements: detached JWS under X.509 certificates.

Depends on ``cryptography`` and the standard library alone, so that an auditor can verify with little installed.
"""
