"""Physics of appliances: closed-loop plants over arrays of units, with their faults.

A plant is told whether it has supply (or which set-point holds) and answers with the mean power
over the step. It keeps its own state, so what was held back comes back by itself. Consumption
counts positive, production negative.
"""
