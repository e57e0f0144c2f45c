"""Counts -> verdicts."""
