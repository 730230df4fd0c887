"""Finding the evidence about one document, on a bus or in an archive, for proofs and bundles."""
