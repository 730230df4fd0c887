"""The demo: two agencies, ten thousand persons, a hundred bad documents, one real broker."""
