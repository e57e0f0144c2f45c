"""Reports from outside about our own addresses, in the form of XARF 4."""
