"""`grayscale`, or `python -m grayscale`: convert photographs to grayscale by a trained network or a closed form."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: more threads would spin, and take time

from grayscale import damage, models
from grayscale.conversions import CONVERSIONS
from grayscale.models import ModelError
from grayscale.reading.names import shown

if TYPE_CHECKING:
    from grayscale import batch

EPILOG = """
Without --variant, --model or --method, the trained network from colour to gray with the best score is used; for noisy
photographs, the network that removes noise if it has been trained.
photo.jpg becomes photo.gray.png: 8-bit gray, upright, sRGB-encoded, with the resolution and EXIF data (date, camera,
place) of the original, without the thumbnail and outdated values. Transparent parts become white.
The exit code is 1 if a photograph failed or a folder could not be searched, 2 if an argument is wrong, else 0.
"""


def main() -> None:
    """The command. Modules that read photographs and run networks are imported when they are needed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed; here and in workers, the next file to be opened would take its place
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
            os.set_inheritable(getattr(sys, name).fileno(), True)
    parser = _parser()
    arguments = parser.parse_args()
    if fault := _fault(arguments):
        parser.error(fault)

    from grayscale.files import FilesError

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
    parser.add_argument("photographs", nargs="+", type=Path, metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument("--output", help="a file for one photograph, or a folder; end it with / (default: beside each)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--variant", help="a trained variant in params.yaml, such as subpixel")
    how.add_argument("--model", type=Path, help="a trained model as a .onnx file; it can run no code")
    how.add_argument("--method", choices=sorted(CONVERSIONS), help="a closed form instead of a model")
    parser.add_argument(
        "--sigma", type=float, help="gray levels of noise per channel, for denoise (default: estimated)"
    )
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8, help="per pixel; 16 needs a model (default 8)")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes, each with its own model (default 1)")
    parser.add_argument("--force", action="store_true", help="convert photographs again whose output exists")
    return parser


def _fault(arguments: argparse.Namespace) -> str | None:
    """What is wrong with the arguments that argparse does not check."""
    if arguments.jobs < 1:
        return "--jobs must be at least 1"
    if arguments.sigma is not None and (arguments.method or not 0 <= arguments.sigma <= damage.STRONGEST):
        return f"--sigma is noise of 0 to {damage.STRONGEST} gray levels, for a network"
    if arguments.method and arguments.bits == 16:
        return "--bits 16 needs a model: closed forms are defined in 8 bits"
    if arguments.bits == 16 and arguments.output and Path(arguments.output).suffix.lower() in (".jpg", ".jpeg"):
        return "JPEG holds 8 bits; with --bits 16 write .png or .tif"
    return None


def _convert(arguments: argparse.Namespace) -> bool:
    """Convert, and print the results; True if a photograph failed or a folder could not be searched."""
    from grayscale import batch, files

    output = Path(arguments.output) if arguments.output else None
    jobs = files.plan(arguments.photographs, output, folder=bool(output) and arguments.output.endswith(("/", os.sep)))
    closed = files.closed_folders(arguments.photographs)
    if not jobs and not closed:
        raise files.FilesError(f"no image files in {', '.join(map(str, arguments.photographs))}")
    due = [job for job in jobs if arguments.force or not job.target.is_file()]
    results, why = dict[Path, batch.Done | str](), ""
    if due:  # no model is needed otherwise
        choice, why = _choice(arguments)
        results = batch.run(due, choice, arguments.jobs)
    failed = {source: result for source, result in results.items() if isinstance(result, str)}
    done = {source: result for source, result in results.items() if not isinstance(result, str)}
    notes = {source: result.note for source, result in done.items() if result.note}
    for source, text in (*closed.items(), *failed.items(), *notes.items()):
        print(f"grayscale: {shown(source)}: {shown(text)}", file=sys.stderr)
    counts = {"converted": len(done), "skipped": len(jobs) - len(due), "failed": len(failed)}
    print(", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "converted"))
    if why and done:
        print(why.format(sum(result.is_noisy for result in done.values())))
    if counts["skipped"]:
        print("Photographs whose output exists are skipped; --force converts them again.")
    return bool(failed or closed)


def _choice(arguments: argparse.Namespace) -> "tuple[batch.Choice, str]":
    """How to convert; and if the choice is ours, a line that names the network and the reason."""
    from grayscale import batch

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
