"""Records -> counts."""
