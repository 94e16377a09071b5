"""Values of event arguments, a column at a time."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes2D: TypeAlias = NDArray[np.uint8]
Flags: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64]
Values: TypeAlias = Bytes2D | Integers | list[bytes]
"""Addresses, fixed bytes, booleans and 32-byte numbers as (n, width) bytes; small integers; values of any width as
they stand in PostgreSQL's binary format: bytes, text, arrays, jsonb."""
