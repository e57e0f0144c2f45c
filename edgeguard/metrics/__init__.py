"""What Prometheus is told: figures that the daemon's loop takes once a second, and who serves them."""
