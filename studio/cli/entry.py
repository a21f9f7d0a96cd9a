"""Where the command line begins, and where every error becomes one line and an exit code."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence

from typer.exceptions import Abort, TyperException

from studio.cli.app import app
from studio.errors import Interrupted, RecipeError, StudioError

INTERRUPTED = 130
BROKEN_PIPE = 141
USERS_TO_MEND = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EISDIR,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code.

    0: done. 1: our fault, or something found broken. 2: the user's mistake, one line each on stderr.
    130: Ctrl-C. With ``STUDIO_DEBUG=1`` in the environment, errors keep their tracebacks.
    """
    sys.exit(exit_code(arguments))


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """`main` without leaving."""
    # Remarks of the libraries that a user can do nothing about.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        code = app(args=arguments, prog_name="studio", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # typer leaves with the latter where it meets the former
        # The reader has gone, as in `studio runs list | head`; Python must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except TyperException as error:
        return _usage(error)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("STUDIO_DEBUG") == "1":
            raise
        return _explain(error)
    if code == INTERRUPTED:
        _complain("interrupted")
    return int(code or 0)


def _usage(error: TyperException) -> int:
    message = error.format_message()
    if "\n" in message:  # the help, for a group of commands called without one
        sys.stderr.write(f"{message}\n")
    else:
        _complain(message)
    return error.exit_code


def _explain(error: BaseException) -> int:
    if isinstance(error, Interrupted):
        _say(str(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | Abort):
        _complain("interrupted")
        return INTERRUPTED
    if isinstance(error, RecipeError):
        for problem in error.problems:
            _complain(problem)
        return error.exit_code
    if isinstance(error, StudioError):
        _complain(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno in USERS_TO_MEND:
        _complain(f"{error.filename or 'file system'}: {error.strerror}")
        return 2
    _complain(f"{type(error).__name__}: {error} (a fault of ours; STUDIO_DEBUG=1 shows where)")
    return 1


def _complain(message: str) -> None:
    _say(f"error: {message}")


def _say(message: str) -> None:
    line = " ".join(message.split())
    sys.stderr.write(f"{line}\n")
