"""Addresses and faults of services, said in one line and without secrets."""

from urllib.parse import urlsplit


def place(address: str) -> str:
    """Host, port and path of an address, without user and password."""
    parts = urlsplit(address)
    return (parts.netloc.rpartition("@")[2] + parts.path).rstrip("/")


def reason(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__
