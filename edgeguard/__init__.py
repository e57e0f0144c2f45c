"""EdgeGuard: a flood detector for the edge of the network, on hypervisor hosts."""

__version__ = "0.1.0"
