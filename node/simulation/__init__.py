"""A market played on records of load and production: the auction and the settlement of the node, no chain."""
