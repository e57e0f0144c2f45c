"""Standing: what a provider of the operator's says of a customer. Good or unknown; nothing worse can be said."""
