"""The one exception a user is meant to read."""


class InputError(Exception):
    """Something that the user gave is wrong.

    The message is one sentence that names the subject and file where there is
    one, says what is wrong and what to do.  A job that raises it ends with
    exit status 1 and shows that sentence instead of a traceback.
    """


class Stopped(InputError):
    """The job was asked to stop, has kept what it had, and goes on when it is run again."""
