"""Namespaces, floods and scenarios to try it all on."""
