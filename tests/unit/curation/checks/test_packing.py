from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studio.curation.checks.packing import pack_bytes, unpack_bytes


@given(st.binary(max_size=50))
def test_bytes_come_back(content):
    levels = np.frombuffer(content, np.uint8)
    packed = pack_bytes(levels)
    assert packed.dtype == np.float32
    assert unpack_bytes(packed, len(levels)).tolist() == levels.tolist()
