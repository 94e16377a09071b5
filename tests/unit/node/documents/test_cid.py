"""Content identifiers against known vectors, and texts that are none."""

import pytest

from node.documents.cid import DAG_PB, RAW, BadCid, Cid

HELLO = "bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"


def test_cid__of_a_raw_block__is_the_published_vector() -> None:
    assert str(Cid.of(b"hello IPFS\n", RAW)) == HELLO


@pytest.mark.parametrize("text", [HELLO, "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"])
def test_cid__text__reads_back(text: str) -> None:
    assert str(Cid.parse(text)) == text


def test_cid__versions_of_one_block__share_the_digest() -> None:
    old, new = (Cid.of(b"\x08\x01", DAG_PB, version) for version in (0, 1))
    assert old.digest == new.digest
    assert old.to_bytes() == new.to_bytes()[2:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "hello",
        HELLO.upper(),
        HELLO[:-1],
        HELLO + "a",
        "z" + HELLO[1:],
        "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQ0",
        "Qmzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "bafyrgqhai26anf3i7pips7q22coa4sz2fr4gk4q4sqdtymvvjyginfzaqewveaeqdh524nsktaq43j65v22xxrybrtertmcfxufdam3da3hbk",
    ],
)
def test_cid__text_that_is_none__is_refused(text: str) -> None:
    with pytest.raises(BadCid):
        Cid.parse(text)


def test_cid__names__only_its_block() -> None:
    cid = Cid.of(b"deed", RAW)
    assert cid.names(b"deed")
    assert not cid.names(b"deer")
