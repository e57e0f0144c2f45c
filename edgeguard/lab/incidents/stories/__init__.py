"""The eight incidents, one file each."""
