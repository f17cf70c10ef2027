"""Local demand management: which load is off, for how long, and why."""
