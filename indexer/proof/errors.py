"""What is wrong with a proof, or with what a node says of a block."""

from indexer.errors import Disagreement, GridtraceError


class ProofInvalid(GridtraceError):
    """The proof does not prove what it says."""

    code = "proof-invalid"


class ReceiptsDisagree(Disagreement):
    """A block's receipts, its header and the logs that were given do not agree."""

    code = "receipts-disagree"


class NotRecomputable(GridtraceError):
    """The chain has receipts or headers of a kind whose hash is not known here."""

    code = "not-recomputable"
