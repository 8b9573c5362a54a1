"""`neurona`: the command line."""

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType

# Only the module of the command at hand is imported: a client need not wait for the server's libraries.
_COMMANDS = {
    "serve": "answer over HTTP, with a trainer beside",
    "trainer": "train the jobs of a database, without answering requests",
    "train": "send labelled rows to a server and train a model on them",
    "predict": "ask a server for predictions, and print them as CSV",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="neurona", description="Train and serve classifiers over HTTP.")
    parser.epilog = "neurona COMMAND --help tells what a command takes."
    parser.add_argument("--version", action="version", version=f"neurona {version('neurona')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if words[:1] == [name]:
            module = _imported(f"app.commands.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters that a terminal has not
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read has enough; flushing at the end would say so again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _imported(name: str) -> ModuleType:
    """That module. Meanwhile Ctrl-C ends the process at once: as an exception it may get lost in an import."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return importlib.import_module(name)
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
