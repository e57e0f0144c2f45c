"""What no program at hand does, done with plain sockets (so that the kernel's own protocols stay true).

python -m bench.quality.record.actors NAME ARGUMENTS
"""
