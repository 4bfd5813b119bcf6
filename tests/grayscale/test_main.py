"""The command: its outputs, messages and exit codes, and its worker processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock, call

import numpy as np
import pytest
from PIL import Image

import grayscale
from grayscale import __main__ as command
from grayscale import batch, models
from grayscale.batch import Choice
from grayscale.conversions import bt601, lightness
from grayscale.files import Job
from tests.conftest import REPOSITORY, close_folder
from tests.grayscale.conftest import clouds, node, save, write_graph

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `grayscale` in this process: exit code, output, errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["grayscale", *map(str, arguments)])
        code = 0
        try:
            command.main()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            code = end.code if isinstance(end.code, int) else 1
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_one_photograph_becomes_an_8_bit_gray_png_beside_it(
    cli: Cli, tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, find = save(tmp_path / "photo.png"), Mock(return_value=model_file)
    monkeypatch.setattr(models, "find", find)
    monkeypatch.setattr(models, "best", lambda: ("simple", None))
    reason = "By simple, the trained network with the best score on clean photographs.\n"
    assert cli(photo) == (0, f"1 converted\n{reason}", "")
    gray = pixels(tmp_path / "photo.gray.png")
    assert gray.dtype == np.uint8
    np.testing.assert_array_equal(gray, grayscale.convert(clouds(20, 31), model=model_file))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.gray.png", "photo.png"]
    assert cli(photo, "--variant", "vae", "--force") == (0, "1 converted\n", "")
    assert find.call_args_list == [call("simple"), call("vae")]


@pytest.mark.parametrize("workers", [1, 2])
def test_noisy_photographs_are_converted_by_the_network_for_noise(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    for name, kind in {"simple": "ReduceMean", "denoise": "ReduceMin"}.items():
        write_graph(tmp_path / f"{name}.onnx", [node(kind, ["x"], ["y"], axes=[3])])
    monkeypatch.setattr(models, "find", lambda name: tmp_path / f"{name}.onnx")
    monkeypatch.setattr(models, "best", lambda: ("simple", "denoise"))
    save(tmp_path / "in/clean.png")
    noisy = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "in/noisy.png")
    _, output, _ = cli(tmp_path / "in", "--jobs", workers)
    assert output.endswith("on clean photographs; 1 by denoise, as their damage is 2.5 gray levels of noise or more.\n")
    clean = (clouds(20, 31).sum(axis=-1, dtype=int) + 1) // 3
    np.testing.assert_array_equal(pixels(tmp_path / "in/clean.gray.png"), clean)
    np.testing.assert_array_equal(pixels(tmp_path / "in/noisy.gray.png"), noisy.min(axis=-1))
    code, _, error = cli(tmp_path / "in", "--sigma", 5, "--force", "--jobs", workers)
    assert (code, error.count("is not told how strong noise is")) == (1, 1)


def test_a_method_is_the_conversion_of_the_targets_over_white_without_pillow_s_limit(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # as its 90 megapixels are below our 200
    alpha = np.zeros((20, 31), np.uint8)
    alpha[5:] = 255
    Image.fromarray(np.dstack([clouds(20, 31), alpha])).save(tmp_path / "photo.png")
    assert cli(tmp_path / "photo.png", "--method", "lightness") == (0, "1 converted\n", "")
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.undo()
    gray = pixels(tmp_path / "photo.gray.png")
    np.testing.assert_array_equal(gray, np.where(alpha, lightness(clouds(20, 31)), 255))


@pytest.mark.parametrize("target", ["gray.png", "gray.tif"])
def test_sixteen_bits_come_from_the_unrounded_output(cli: Cli, tmp_path: Path, model_file: Path, target: str) -> None:
    cli(save(tmp_path / "photo.png"), "--model", model_file, "--bits", 16, "--output", tmp_path / target)
    expected = grayscale.convert(clouds(20, 31) / 255, model=model_file) * 65535
    gray = pixels(tmp_path / target)
    assert np.abs(gray - expected).max() <= 0.51
    assert len(np.unique(gray)) > 256


def test_a_bad_file_does_not_stop_the_others_and_workers_change_nothing(cli: Cli, tmp_path: Path) -> None:
    for name in ("a.png", "c/d.jpg", "e.png"):
        save(tmp_path / "in" / name)
    (tmp_path / "in/b.jpg").write_bytes(b"\xff\xd8\xff no photograph")
    one = cli(tmp_path / "in", "--output", tmp_path / "one", "--method", "bt601")
    two = cli(tmp_path / "in", "--output", tmp_path / "two", "--method", "bt601", "--jobs", "2")
    assert one == two
    assert one[:2] == (1, "3 converted, 1 failed\n")
    assert one[2].count("\n") == one[2].count("b.jpg: ") == 1
    first, second = (
        {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert first == second
    assert sorted(first) == ["a.gray.png", "c/d.gray.png", "e.gray.png"]


def test_unreadable_files_and_folders_are_named_and_counted(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "closed/b.png"):
        save(tmp_path / "in" / name)
    for name in ("c.dng", "d.NEF", "h.srw"):
        (tmp_path / "in" / name).write_bytes((tmp_path / "in/a.png").read_bytes())
    (tmp_path / "in/e.jpg").symlink_to("gone.jpg")
    (tmp_path / "in/linked").symlink_to(tmp_path)
    for name in (os.fsdecode(b"f\xe9\n.jpg"), "\x1b[31m\x9b\u202e.jpg"):
        (tmp_path / "in" / name).touch()
    (tmp_path / "in/i.ppm").write_bytes(b"P6 1 1 255 abc")
    os.mkfifo(tmp_path / "in/g.png")
    (tmp_path / "in/j.png").symlink_to("j.png")
    close_folder(monkeypatch, "closed")
    code, output, errors = cli(tmp_path / "in", "--method", "bt601", "--output", f"{tmp_path}/results.2024/")
    assert (code, output) == (1, "1 converted, 9 failed\n")
    assert sorted(line.removeprefix(f"grayscale: {tmp_path}/in/") for line in errors.splitlines()) == [
        "\\x1b[31m\\x9b\\u202e.jpg: empty file",
        "c.dng: camera raw: develop it into an image first",
        "closed: no permission to list this folder",
        "d.NEF: camera raw: develop it into an image first",
        "e.jpg: not there: a symbolic link to nowhere, or removed meanwhile",
        "f\\xe9\\x0a.jpg: empty file",
        "g.png: not a regular file",
        "h.srw: camera raw: develop it into an image first",
        "i.ppm: not an image of a kind that is read (JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF)",
        "j.png: can't be read: Too many levels of symbolic links",
        "linked: a symbolic link to a folder is not followed, as DVC does not; put the files here",
    ]
    assert [path.name for path in (tmp_path / "results.2024").iterdir()] == ["a.gray.png"]


def test_existing_outputs_are_skipped_unless_forced(cli: Cli, tmp_path: Path) -> None:
    photo, gray = save(tmp_path / "photo.png"), tmp_path / "photo.gray.png"
    gray.write_bytes(b"mine")
    code, output, _ = cli(photo, "--method", "bt601", "--jobs", "2")
    assert (code, output.splitlines()[0], gray.read_bytes()) == (0, "0 converted, 1 skipped", b"mine")
    assert cli(photo, "--method", "bt601", "--force") == (0, "1 converted\n", "")
    np.testing.assert_array_equal(pixels(gray), bt601(clouds(20, 31)))


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_neither_skipped_nor_replaced(
    cli: Cli, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    photo, gray = save(tmp_path / "photo.png"), tmp_path / "photo.gray.png"
    make(gray)
    for options in ([], ["--force"]):
        code, output, errors = cli(photo, "--method", "bt601", *options)
        assert (code, output) == (1, "0 converted, 1 failed\n")
        assert errors.endswith("photo.gray.png exists and is no file; move it, or name another --output\n")
    assert not gray.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required: PHOTO"),
        (["photo.png", "--method", "none"], "invalid choice"),
        (["photo.png", "--method", "bt601", "--variant", "simple"], "not allowed with"),
        (["photo.png", "--method", "bt601", "--bits", "16"], "8 bits"),
        (["photo.png", "--method", "bt601", "--sigma", "5"], "for a network"),
        (["photo.png", "--sigma", "nan"], "0 to 128"),
        (["photo.png", "--bits", "16", "--output", "x.jpg"], "JPEG holds 8 bits"),
        (["photo.png", "--jobs", "0"], "at least 1"),
        (["photo.png", "--method", "bt601", "--output", "photo.png", "--force"], "is the original"),
        (["photo.png", "--method", "bt601", "--output", "none/../photo.png", "--force"], "is the original"),
        (["nowhere\x1b\x9b\u202e\n.png"], r"nowhere\x1b\x9b\u202e\x0a.png: not found"),
        (["empty", "--method", "bt601"], "no image files"),
        (["photo.png", "--output", "x.webp"], "gray is written as .png"),
        (["photo.png", "empty", "--output", "photo.png"], "is a file; with several photographs, --output is a folder"),
    ],
)
def test_wrong_arguments_are_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = save(tmp_path / "photo.png").read_bytes()
    (tmp_path / "empty").mkdir()
    code, _, errors = cli(*arguments)
    assert code == 2
    assert message in errors
    assert (tmp_path / "photo.png").read_bytes() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_model_is_one_message_and_stops_all(cli: Cli, tmp_path: Path, workers: int) -> None:
    photos = [save(tmp_path / f"{number}.png") for number in range(2)]
    code, _, errors = cli(*photos, "--model", tmp_path / "none.onnx", "--jobs", workers)
    assert (code, errors) == (1, f"grayscale: {tmp_path / 'none.onnx'}: no such file\n")
    assert not list(tmp_path.glob("*.gray.png"))


@pytest.mark.parametrize("arguments", [["-m", "grayscale", "--help"], ["-c", "import grayscale"]])
def test_help_and_import_load_no_heavy_packages(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", *arguments]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|")[-1].strip().split(".")[0] for line in result.stderr.splitlines() if "|" in line}
    heavy = {"onnxruntime", "PIL", "tqdm", "ruamel", "tensorflow", "keras", "scipy", "onnx", "pandas", "stages"}
    assert not loaded & heavy


# === Worker processes ===


class Killing(Choice):
    """Kills the worker that receives it, as the kernel does when memory runs out."""

    def __setstate__(self, _: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return [Job(save(tmp_path / f"{number}.png"), tmp_path / f"{number}.gray.png") for number in range(3)]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_change_nothing(jobs: list[Job], closed: str, workers: str) -> None:
    shell = f'"$0" -m grayscale "$@" {closed}'
    sources = [str(job.source) for job in jobs]
    arguments = [sys.executable, *sources, "--method", "bt601", "--jobs", workers]
    subprocess.run(["sh", "-c", shell, *arguments], cwd=REPOSITORY, check=True)
    assert all(Path(source).with_suffix(".gray.png").exists() for source in sources)


def test_a_killed_worker_is_an_error_not_a_hang(jobs: list[Job]) -> None:
    results = batch.run(jobs, Killing("bt601", None, 8), workers=2)
    assert results == {job.source: batch.KILLED for job in jobs}


def test_workers_import_nothing_from_the_folder_of_photographs(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multiprocessing.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert not any(isinstance(result, str) for result in batch.run(jobs, Choice("bt601", None, 8), workers=2).values())
    assert not (tmp_path / "ran").exists()
    assert "PYTHONSAFEPATH" not in os.environ


def test_without_shared_memory_the_message_says_what_to_do(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ProcessPoolExecutor", Mock(side_effect=FileNotFoundError(2, "No such file")))
    with pytest.raises(OSError, match=r"can't share work .*No such file.*use --jobs 1"):
        batch.run(jobs, Choice("bt601", None, 8), workers=2)


INTERRUPT = """
import os, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from grayscale import batch, __main__

def interrupt():
    while signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # while workers start
        time.sleep(0.01)
    os.killpg(0, signal.SIGINT)

class Pool(ProcessPoolExecutor):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        threading.Thread(target=interrupt, daemon=True).start()

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell disables it
    sys.argv = ["grayscale", sys.argv[1], "--method", "bt601", "--jobs", sys.argv[2]]
    batch.ProcessPoolExecutor, levels = Pool, batch.levels
    batch.levels = lambda *a, **b: (os.kill(os.getpid(), signal.SIGINT), levels(*a, **b))[1]  # only in this process
    __main__.main()
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_prints_no_traceback_and_leaves_no_partial_files(tmp_path: Path, jobs: str) -> None:
    for number in range(9):
        save(tmp_path / f"{number}.png")
    command = [sys.executable, "-c", INTERRUPT, str(tmp_path), jobs]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, start_new_session=True)
    assert (result.returncode, result.stderr) == (130, "")
    assert not list(tmp_path.glob(".*"))
    assert jobs != "1" or not list(tmp_path.glob("*.gray.png"))


def test_after_an_interrupt_workers_convert_no_further(tmp_path: Path) -> None:
    for number in range(9):
        save(tmp_path / f"{number}.png", height=20_000)
    nodes = [node("Sin", [f"v{n}"], [f"v{n + 1}" if n < 399 else "y"]) for n in range(400)]
    slow = write_graph(tmp_path / "slow.onnx", [node("ReduceMean", ["x"], ["v0"], axes=[3]), *nodes])
    program = "from grayscale.__main__ import *; from signal import *; signal(SIGINT, default_int_handler); main()"
    command = [sys.executable, "-c", program, str(tmp_path), "--model", str(slow), "--jobs", "2"]
    with subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True) as process:
        while process.poll() is None and not list(tmp_path.glob("*.gray.png")):
            time.sleep(0.05)
        ended = len(list(tmp_path.glob("*.gray.png")))
        os.killpg(process.pid, signal.SIGINT)
    assert process.returncode == 130
    assert len(list(tmp_path.glob("*.gray.png"))) <= ended + 2 < 9
