"""The base of every error that Gridtrace raises on purpose, and the indexer's own."""


class GridtraceError(Exception):
    """Something a person or a program can act on.

    ``code`` is stable and published; ``retryable`` says whether the same call may succeed later. The class
    docstring's first line is the default message.
    """

    code = "internal"
    retryable = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or self.code).splitlines()[0])


class ConfigError(GridtraceError):
    """The configuration is not usable."""

    code = "config-invalid"

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("configuration: " + "; ".join(faults))


class RpcUnavailable(GridtraceError):
    """The chain's RPC endpoint does not answer."""

    code = "rpc-unavailable"
    retryable = True


class WrongChain(GridtraceError):
    """The RPC endpoint serves another chain than the configured one."""

    code = "wrong-chain"
