"""Names for the arrays of the simulator: the type tells the unit."""

import numpy as np
from numpy.typing import NDArray

Watts = NDArray[np.int64]
"""Mean power over a minute [W], or energy [W·min]: whole numbers, so sums are exact."""

Litres = NDArray[np.int64]
"""Water or gas in a minute [l]."""

Registers = NDArray[np.int64]
"""Cumulative registers by channel [pulses]."""

Share = NDArray[np.float64]
"""Dimensionless, 0 to 1."""

Floats = NDArray[np.float64]
"""Physical quantity; the name of the variable tells the unit."""

Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]
"""Indices into an array."""

Int32s = NDArray[np.int32]

Snapshot = dict[str, NDArray[np.generic]]
"""State of a part as named arrays, to be kept over a restart."""
