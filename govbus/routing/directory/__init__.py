"""The directory of exchange: its model, its entries and files, what is asked of them, and its signed records."""
