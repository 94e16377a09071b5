"""Every leaf can be proved, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from node.settlement import merkle

NODES = st.binary(min_size=32, max_size=32)


@given(st.lists(NODES, min_size=1, max_size=20, unique=True), st.data())
def test_proof__any_leaf__verifies_and_a_foreign_one_does_not(leaves: list[bytes], data: st.DataObject) -> None:
    of = data.draw(st.sampled_from(leaves))
    root = merkle.root(leaves)
    proof = merkle.proof(leaves, of)
    assert merkle.verify(root, of, proof)
    foreign = data.draw(NODES.filter(lambda node: node not in leaves))
    assert not merkle.verify(root, foreign, proof)


@given(st.lists(NODES, max_size=12), st.randoms(use_true_random=False))
def test_root__any_order_of_leaves__is_the_same(leaves: list[bytes], random: object) -> None:
    shuffled = list(leaves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merkle.root(shuffled) == merkle.root(leaves)
