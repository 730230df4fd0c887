"""The demo's second scenario: ten agencies exchange nine kinds of documents, and every family of rules is broken."""
