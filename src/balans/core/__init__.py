"""Words that every layer shares: kinds of things, hours, clocks, errors.

A word used by one package of the domain only lives there, not here.
"""
