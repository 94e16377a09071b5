"""What can be wrong with input series."""

from indexer.errors import GridtraceError


class SeriesError(GridtraceError):
    """An input file of loads or production cannot be used."""

    code = "series-unusable"
