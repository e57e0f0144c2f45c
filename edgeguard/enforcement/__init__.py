"""Actions -> outcomes."""
