"""The small page of the gateway itself: live picture, plan, decisions, and what people may set.

It needs neither server nor database, and is there when both are away. It is off unless the
configuration names a port.
"""
