"""Child processes with one owner: they end with it, and come back when they die.

For the embedded database and broker, which are real servers of their own kind. Nothing here
knows what the child is: an adapter says how to start it, when it is ready, how to stop it.
"""
