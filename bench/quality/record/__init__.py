"""Look-alikes of floods: how they are recorded from real programs, and how the recordings are replayed."""
