"""Telling programs, webhooks and whoever is on duty, by JSON documents that are handed over once each."""
