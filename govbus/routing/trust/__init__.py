"""Trust in certificates at the time of signing: the way to an anchor, and what authorities say about revocation."""
