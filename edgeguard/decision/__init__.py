"""Verdicts -> decisions."""
