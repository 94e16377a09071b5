"""The base of every error that Gridtrace raises on purpose."""


class GridtraceError(Exception):
    """Something a person or a program can act on.

    ``code`` is stable and published; ``retryable`` says whether the same call may succeed later. The first line of a
    subclass's docstring is its default message.
    """

    code = "internal"
    retryable = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or self.code).splitlines()[0])
