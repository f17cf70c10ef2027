"""The transformer study: made streets of flats, uncoordinated and with a share taking part.

`street` makes the flats from recorded weeks, vehicles and heat pumps by a seed; `run` replays a
street once at a share; `heat` tells what that does to the transformer; `study` puts runs of several
seeds and shares together.
"""
