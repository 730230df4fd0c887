"""Retrieval: everything that a bus has registered and accepted, found by what it says about itself."""
