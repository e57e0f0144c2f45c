"""The running daemon: its loop, what it is asked, what it tells, and what it does beside the packets."""
