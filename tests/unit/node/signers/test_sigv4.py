"""Signature Version 4 against the vector post-vanilla of AWS's own test suite (aws-sig-v4-test-suite)."""

from datetime import UTC, datetime

from node.signers.sigv4 import Credentials, authorised

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REQUEST = {"region": "us-east-1", "service": "service", "method": "POST", "path": "/"}
MOMENT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


def test_authorised__published_vector__has_its_signature() -> None:
    sent = authorised(CREDENTIALS, **REQUEST, headers={"Host": "example.amazonaws.com"}, body=b"", now=MOMENT)
    assert sent == {
        "host": "example.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    }


def test_authorised__other_body_or_header__has_another_signature() -> None:
    def signature(body: bytes, **headers: str) -> str:
        given = {"host": "example.amazonaws.com", **headers}
        return authorised(CREDENTIALS, **REQUEST, headers=given, body=body, now=MOMENT)["authorization"][-64:]

    assert len({signature(b""), signature(b"x"), signature(b"", target="a"), signature(b"", target="b")}) == 4


def test_repr__of_credentials__shows_no_secret() -> None:
    assert "wJal" not in repr(CREDENTIALS)
