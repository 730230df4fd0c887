"""Where private keys lie and how they are used: files, hardware tokens, rotation."""
