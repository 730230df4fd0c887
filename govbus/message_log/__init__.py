"""The signed record of all decisions: its tree, its checkpoints, and the notes that carry their signatures."""
