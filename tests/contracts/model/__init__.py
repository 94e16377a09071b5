"""Plain models of the contracts: the same rules as in Solidity, written without looking at how Solidity does it."""
