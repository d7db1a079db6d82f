"""The ``sinkwell`` command."""

import signal
import sys

from . import _native


def main() -> None:
    """Run the command with this process's arguments, and end the process with its status."""
    # It runs without returning to the interpreter, which would leave Ctrl-C waiting.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native._command(["sinkwell", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
