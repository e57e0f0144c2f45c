"""The record of what was decided and what happened."""
