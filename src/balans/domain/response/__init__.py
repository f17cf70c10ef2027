"""Demand response by the operator: what calls an event, whom it asks, and how it lets go."""
