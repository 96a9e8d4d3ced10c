# SPDX-License-Identifier: LGPL-3.0-or-later
"""The command ``dp``.

A verb is a module with ``add_arguments(parser)`` and ``run(args)``, which returns an exit code or None,
and a line in `VERBS`.  Only the module of the verb that is called is imported.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from dpcore import __version__
from dpcore.errors import InputError, refuse_inputs, suggest
from dpcore.log import LEVELS, set_log

__all__ = ["main"]

log = logging.getLogger("dpcore.cli")  # also as __main__


class Verb(NamedTuple):
    """A subcommand: where it is, what it does, and an example."""

    module: str
    summary: str
    example: str


VERBS = {
    "train": Verb(
        "dpcore.train",
        "train a model",
        """\
  dp train input.json                           new weights
  dp train input.json --restart model.ckpt      go on after an interruption
  dp train input.json --init-frz-model graph.pb start from a frozen model

It writes lcurve.out (errors during training), model.ckpt* (checkpoints) and
out.json (the input with all defaults). SIGTERM, SIGUSR1 and Ctrl-C save a
checkpoint first.""",
    ),
    "freeze": Verb(
        "dpcore.freeze",
        "make a model file of a checkpoint",
        """\
  dp freeze -o water.dp                         the newest checkpoint of this folder
  dp freeze -c model.ckpt-4000 -o water.dp      a certain one""",
    ),
    "compress": Verb(
        "dpcore.compress",
        "put tables in place of the embedding nets",
        """\
  dp compress -i water.dp -o water-c.dp         tables in steps of 0.01
  dp compress -i water.dp -o water-c.dp --tol 1e-8
                                                the step follows from an error of the forces in eV/A
  dp compress -i water-c.dp -o water.dp --undo  the original model again""",
    ),
    "test": Verb(
        "dpcore.test",
        "compare a model with labelled data",
        """\
  dp test -m water.dp -s data/test              all frames of all systems below data/test
  dp test -m water.dp -s data/test -n 30 -d detail
                                                30 frames of each, and every number in detail.*.out""",
    ),
    "model-devi": Verb(
        "dpcore.model_devi",
        "show how far models differ",
        """\
  dp model-devi -m a.dp b.dp c.dp d.dp -s data/new -o model_devi.out
                                                max, min and mean deviation of virial and forces""",
    ),
    "convert-from": Verb(
        "dpcore.convert_from",
        "turn a frozen model of DeePMD-kit into a dpcore model",
        """\
  dp convert-from -i graph.pb -o water.dp       any version from 0.12 to 3.x (TensorFlow backend)
  dp convert-from -i native.yaml -o water.dp    native models of 3.x, .dp or .yaml
  dp convert-from pbtxt -i graph.pbtxt -o water.dp""",
    ),
    "show": Verb(
        "dpcore.show",
        "print what is in a model file",
        """\
  dp show water.dp                              everything
  dp show graph.pb type-map descriptor size     some of it, also of a frozen model of DeePMD-kit
  dp show water.dp --json                       the same for scripts""",
    ),
    "eval-desc": Verb(
        "dpcore.eval_desc",
        "write the descriptors of atoms",
        """\
  dp eval-desc -m water.dp -s data/test -o desc desc/SYSTEM.npy for each system""",
    ),
    "convert-backend": Verb(
        "dpcore.convert_backend",
        "write a model for DeePMD-kit 3",
        """\
  dp convert-backend water.dp for_deepmd.dp     native model, HDF5
  dp convert-backend water.dp for_deepmd.yaml   the same as text""",
    ),
    "verify": Verb(
        "dpcore.verify",
        "check that every interface gives the same numbers",
        """\
  dp verify -m water.dp                         random atoms through Python, C++, C, ASE, LAMMPS, i-PI
  dp verify -m water.dp -s data/test -n 3       three frames of each system""",
    ),
    "doctor": Verb(
        "dpcore.doctor",
        "show what is installed, and test each part with six atoms",
        """\
  dp doctor
  dp doctor --json                              the same for scripts""",
    ),
    "doc-train-input": Verb(
        "dpcore.doc_train_input",
        "describe every key of the input file of training",
        """\
  dp doc-train-input > input.rst
  dp doc-train-input --out-type json_schema > input.schema.json     for an editor""",
    ),
}

# programs of their own, which take everything after their name: a module with ``main(argv)`` and a summary
PROGRAMS = {"ipi": ("dpcore.ipi", "serve a model to i-PI (the program dp_ipi)")}

# engines that scripts for the reference choose before the verb, as --backend NAME or --NAME
BACKENDS = (
    "tensorflow", "tf", "tensorflow2", "tf2", "pytorch", "pt", "pytorch-exportable", "pt-expt",
    "jax", "paddle", "pd", "numpy", "np", "dpmodel", "dp",
)  # fmt: skip

# verbs of the reference's manual that this version does not have
LATER = (
    "change-bias", "config", "embed", "gui",
    "neighbor-stat", "pretrained", "train-nvnmd", "transfer",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done; 1: it cannot be done, the message says why; 2: the command line itself is wrong; 130: Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    backend, argv = _split_backend(argv)
    name = next((word for word in argv if not word.startswith("-")), None)
    if argv and argv[0] in PROGRAMS:
        return int(import_module(PROGRAMS[argv[0]][0]).main(argv[1:]))
    if argv and name == argv[0] and name not in VERBS:
        return _refuse(name)
    parser = _parser(name)
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # --help, --version or a wrong option, already printed
        return int(stop.code or 0)
    if args.verb is None:
        parser.print_help()
        return 0
    try:
        set_log(args.log_level)
        if args.log_path is not None:
            refuse_inputs(args.log_path, _paths(args), "--log-path")
            set_log(args.log_level, args.log_path)
        if backend:
            log.info("%s has no effect: dpcore has one engine", " ".join(backend))
        return int(import_module(VERBS[args.verb].module).run(args) or 0)
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as with | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        return _report(error)


def _split_backend(argv: list[str]) -> tuple[list[str], list[str]]:
    """The words before the verb that choose an engine, and the others."""
    n = 0
    while n < len(argv):
        flag, _, value = argv[n].partition("=")
        if flag in ("-b", "--backend") and not value:
            value, n = "".join(argv[n + 1 : n + 2]), n + 1
        elif flag != "--backend":
            value = flag[2:] if flag.startswith("--") else ""
        if value not in BACKENDS:
            return [], argv  # none, or a name that the parser refuses
        n += 1
        if n == len(argv) or not argv[n].startswith("-"):
            break
    return argv[:n], argv[n:]


def _paths(args: argparse.Namespace) -> list[str]:
    """All words of the command line that may be files."""
    values = [value for name, value in vars(args).items() if name != "log_path"]
    words = [word for value in values for word in (value if isinstance(value, list) else [value])]
    return [word for word in words if isinstance(word, str)]


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; the arguments of the chosen verb alone are filled in."""
    parser = argparse.ArgumentParser(
        prog="dp",
        description="Deep potential models: train, freeze, test, convert.",
        epilog="dp VERB --help shows the options of a verb and an example. The usual way:\n\n"
        "  dp train input.json && dp freeze -o model.dp && dp test -m model.dp -s data/test\n\n"
        "dp --tf VERB, dp --backend NAME VERB and the like are accepted for old scripts: there is one engine.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dpcore v{__version__}")
    parser.add_argument(
        "-b",
        "--backend",
        choices=BACKENDS,
        metavar="NAME",
        help=argparse.SUPPRESS,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, verb in VERBS.items():
        sub = verbs.add_parser(
            name,
            help=verb.summary,
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            epilog="examples:\n" + verb.example,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            import_module(verb.module).add_arguments(sub)
        common = sub.add_argument_group("log")
        common.add_argument(
            "-v",
            "--log-level",
            type=str.upper,
            choices=tuple(LEVELS),
            default="INFO",
            help="how much is told: DEBUG or 3, INFO or 2, WARNING or 1, ERROR or 0 (default: %(default)s)",
            metavar="LEVEL",
        )
        common.add_argument("-l", "--log-path", metavar="FILE", help="write the log to a file as well")
    for name, (_, summary) in PROGRAMS.items():
        verbs.add_parser(name, help=summary)
    return parser


def _refuse(name: str) -> int:
    """Say that there is no such verb."""
    if name in LATER:
        print(f"dp: {name} is not in this version of dpcore ({__version__})", file=sys.stderr)
    else:
        hint = suggest(name, VERBS) or f" There are: {', '.join(VERBS)}."
        print(f'dp: there is no verb "{name}".{hint}', file=sys.stderr)
    return 2


def _report(error: Exception) -> int:
    """Log an error: one message for what a user can mend, a trace for what is our mistake."""
    core = sys.modules.get("dpcore._core")
    expected = (InputError, OSError, MemoryError) + ((core.Error,) if core is not None else ())
    if isinstance(error, expected):
        text = str(error) or type(error).__name__
        if isinstance(error, MemoryError):
            text = f"out of memory ({text}); a smaller batch, model or system needs less"
        log.error("%s", text, exc_info=log.isEnabledFor(logging.DEBUG))
    else:
        log.error("this is a mistake in dpcore; please report it with the lines below", exc_info=error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
