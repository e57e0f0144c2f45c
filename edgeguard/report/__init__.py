"""A month's measures for people and programs: as text, as JSON, as one page with plots."""
