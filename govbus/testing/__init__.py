"""What the tests of govbus and of its adapters share; nothing in the product imports it."""
