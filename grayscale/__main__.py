"""`grayscale`, or `python -m grayscale`: photographs to grayscale, with a trained model or a closed form."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grayscale import models
from grayscale.conversions import CONVERSIONS
from grayscale.models import ModelError

if TYPE_CHECKING:
    from grayscale import batch

SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
EPILOG = """
Without --variant, --model or --method, the trained network from colour to gray with the best score converts; where a
network for noise has been trained, noisy photographs are its.
photo.jpg becomes photo.gray.png: 8-bit gray, upright, sRGB-encoded, with the resolution and the EXIF data (date,
camera, place) of the original, less its thumbnail and what no longer holds. Transparent parts lie on white.
The exit code is 1 if any photograph failed or a folder could not be searched, 2 if the command can't be understood,
else 0.
"""


def main() -> None:
    """The command line. What reads photographs and runs networks is loaded when it is needed."""
    parser = _parser()
    arguments = parser.parse_args()
    if fault := _fault(arguments):
        parser.error(fault)

    from grayscale.files import FilesError
    from grayscale.reading.names import shown

    try:
        failed = _convert(arguments)
    except FilesError as error:
        parser.error(shown(error))
    except (ModelError, OSError) as error:
        raise SystemExit(f"grayscale: {shown(error)}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(1 if failed else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grayscale", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", nargs="*", type=Path, metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument(
        "--output", help="a file for one photograph, or a folder, as with / at its end (default: beside each)"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--variant", help="the trained model of a variant in params.yaml, such as subpixel")
    how.add_argument("--model", type=Path, help="a trained model as a .onnx file; it can run no code")
    how.add_argument("--method", choices=sorted(CONVERSIONS), help="a closed form instead of a model")
    parser.add_argument(
        "--sigma",
        type=float,
        help="noise in each channel, gray levels of 255, that denoise is told (default: estimated)",
    )
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8, help="per pixel; 16: the model's output, finer")
    parser.add_argument(
        "--jobs", type=int, default=1, help="worker processes, each with a model of its own (default 1)"
    )
    parser.add_argument("--force", action="store_true", help="convert again what has been converted")
    return parser


def _fault(arguments: argparse.Namespace) -> str | None:
    """What is wrong with the arguments beyond what argparse sees."""
    if arguments.jobs < 1:
        return "--jobs must be at least 1"
    if not arguments.photographs:
        return "name at least one photograph or folder"
    if arguments.sigma is not None:
        from grayscale.damage import STRONGEST

        if arguments.method or not 0 <= arguments.sigma <= STRONGEST:
            return f"--sigma is noise of 0 to {STRONGEST} gray levels, for a network"
    if arguments.method and arguments.bits == 16:
        return "--bits 16 needs a model: closed forms are defined in 8 bits"
    if arguments.bits == 16 and arguments.output and Path(arguments.output).suffix.lower() in (".jpg", ".jpeg"):
        return "JPEG holds 8 bits; with --bits 16 write .png or .tif"
    return None


def _convert(arguments: argparse.Namespace) -> bool:
    """Convert, and say what came of it; did any photograph fail?"""
    from grayscale import batch, files
    from grayscale.reading.names import shown

    output = Path(arguments.output) if arguments.output else None
    jobs = files.plan(
        arguments.photographs, output, folder=output is not None and arguments.output.endswith(SEPARATORS)
    )
    closed = files.closed_folders(arguments.photographs)
    if not jobs and not closed:
        raise files.FilesError(f"no image files in {', '.join(map(str, arguments.photographs))}")
    due = [job for job in jobs if arguments.force or not job.target.exists()]
    choice, why = _choice(arguments) if due else (batch.Choice(arguments.method, None, arguments.bits), "")
    outcome = batch.run(due, choice, arguments.jobs)
    failed = outcome.failed
    for source, reason in (*closed.items(), *failed.items(), *outcome.notes.items()):
        print(f"grayscale: {shown(source)}: {shown(reason)}", file=sys.stderr)
    counts = {"converted": len(due) - len(failed), "skipped": len(jobs) - len(due), "failed": len(failed)}
    print(", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "converted"))
    if why and counts["converted"]:
        print(why.format(outcome.noisy))
    if counts["skipped"]:
        print("Skipped are photographs whose output exists; --force converts them again.")
    return bool(failed or closed)


def _choice(arguments: argparse.Namespace) -> "tuple[batch.Choice, str]":
    """How to convert; and where that is left to us, a line that says by which network and why."""
    from grayscale import batch, damage

    if arguments.sigma is not None and not arguments.model:
        arguments.variant = arguments.variant or models.NOISY
    if arguments.method or arguments.model or arguments.variant:
        model = arguments.model or (models.find(arguments.variant) if arguments.variant else None)
        return batch.Choice(arguments.method, model, arguments.bits, sigma=arguments.sigma), ""
    clean, noisy = models.best()
    choice = batch.Choice(None, models.find(clean), arguments.bits, noisy=models.find(noisy) if noisy else None)
    why = f"By {clean}, the trained network with the best score on clean photographs"
    if noisy:
        why += f"; {{}} by {noisy}, as their damage is {damage.DAMAGED:g} gray levels of noise or more"
    return choice, f"{why}."


if __name__ == "__main__":
    main()
