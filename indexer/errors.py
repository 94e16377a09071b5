"""The indexer's errors."""

from contracts.errors import GridtraceError


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


__all__ = ["ConfigError", "GridtraceError", "RpcUnavailable", "WrongChain"]


class RpcRefused(GridtraceError):
    """The RPC endpoint answered with an error."""

    code = "rpc-refused"

    def __init__(self, method: str, rpc_code: int, message: str, data: object = None) -> None:
        self.method, self.rpc_code, self.rpc_message, self.data = method, rpc_code, message, data
        super().__init__(f"{method}: {message[:200]} (code {rpc_code})")


class Disagreement(GridtraceError):
    """The RPC endpoint's answers contradict each other."""

    code = "rpc-disagreement"
    retryable = True
