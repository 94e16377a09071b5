"""What proves the contracts beyond their tests: static analysis, symbolic execution, coverage, mutation, deep runs."""
