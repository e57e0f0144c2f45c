"""Who owns a tap, a MAC, an address."""
