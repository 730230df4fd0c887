"""The routing core: which rules a document breaks, and where it may go. It decides, it never delivers."""
