"""Harm to others, and doubt: the uplinks, the connection table, the way back. docs/harm.md says what each rests on."""
