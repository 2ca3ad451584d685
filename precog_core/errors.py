"""The one exception a user is meant to read: a sentence that says what failed, why, what to do."""


class PrecogError(Exception):
    """Raised at the boundary where bad input or a broken environment entered.

    The command line prints the message without a traceback and exits with ``exit_code``.
    """

    exit_code = 1
