"""`fflbench` and `python -m fflbench`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The command line, also of the installed script."""
    try:
        _main()
    except KeyboardInterrupt:  # While it still imports what it needs.
        sys.exit(130)


def _main() -> None:
    """A plain `list` answers at once, without the library that reads command lines; everything else goes there."""
    words = sys.argv[1:]
    if words[:1] == ["list"] and len(words) <= 2:
        from fflbench.commands.list import KINDS, list_command

        if set(words[1:]) <= set(KINDS):
            try:
                list_command(words[1:] or list(KINDS))
                sys.stdout.flush()
            except BrokenPipeError:  # The reader has seen enough; nor must the interpreter flush at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
    from fflbench.cli import main as full

    full()


if __name__ == "__main__":
    main()
