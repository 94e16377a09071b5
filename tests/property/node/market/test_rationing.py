import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from node.market.rationing import price_time, pro_rata
from tests.property.node.market.naive import BUY, Bid, first_come, largest_remainder

quantities = st.lists(
    st.one_of(st.integers(1, 9), st.integers(1, 10**9), st.integers(2**47, 2**48 - 1)), min_size=1, max_size=60
)


@settings(max_examples=500, deadline=None)
@given(quantities, st.data())
def test_rationing__any_level__is_exact(amounts: list[int], data: st.DataObject) -> None:
    level = [Bid(sequence, BUY, quantity, 0) for sequence, quantity in enumerate(amounts)]
    amount = data.draw(st.integers(0, sum(amounts)))
    columns = np.array(amounts, dtype=np.int64)

    assert pro_rata(columns, amount).tolist() == list(largest_remainder(level, amount).values())
    assert price_time(columns, amount).tolist() == list(first_come(level, amount).values())
