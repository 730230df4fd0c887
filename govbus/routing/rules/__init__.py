"""The rules that the bus enforces, one module for each family of standards; `catalogue` has them all by id."""
