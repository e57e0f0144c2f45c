"""Incidents that happened to operators and their customers, played again with EdgeGuard on the host."""
