"""`make wheel`: the library with its trained networks, installed alone."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from grayscale.core.hashes import sha256
from tests.conftest import Workspace
from tests.grayscale.conftest import save

PROMISED = {"numpy", "pillow", "onnxruntime", "tqdm"}
OF_ONNXRUNTIME = {"flatbuffers", "packaging", "protobuf"}  # its requirements
INSTALLER = {"pip", "setuptools"}  # in every new environment
MEGABYTES = 250

pytestmark = pytest.mark.long


def on_a_terminal(command: list[str], folder: Path) -> str:
    """The output of a command on a terminal; it must succeed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 1 << 16):
                shown += piece
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_the_wheel_alone_converts_a_folder_with_a_progress_bar(workspace: Workspace, tmp_path: Path) -> None:
    lock = workspace.folder / "dvc.lock"
    entry = re.search(r"  train@simple:\n(    .*\n)+", lock.read_text())
    assert entry
    with lock.open("a") as file:
        file.write(entry[0].replace("simple", "removed"))
    workspace.run("make", "wheel", "RUNTIME=")
    (wheel,) = workspace.folder.glob("dist/*.whl")
    the_networks_are_those_of_the_lock(workspace, wheel)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", str(wheel)], check=True)
    listed = subprocess.run([*pip, "list", "--format", "json"], capture_output=True, check=True).stdout
    names = {package["name"].lower() for package in json.loads(listed)}
    assert names - INSTALLER == {"autoencoder-grayscale", *PROMISED, *OF_ONNXRUNTIME}
    size = sum(file.stat().st_size for file in environment.rglob("*") if file.is_file() and not file.is_symlink())
    assert size < MEGABYTES * 1e6

    for name in ("a.jpg", "b/c.png", "b/d.png"):
        save(tmp_path / "holiday" / name, 300, 400)
    shown = on_a_terminal([str(environment / "bin/grayscale"), "holiday/"], tmp_path)
    assert "3/3" in shown  # the progress bar's end
    assert re.search("3 converted\r\nBy (simple|subpixel), the trained network with the best score", shown)
    assert np.asarray(Image.open(tmp_path / "holiday/b/c.gray.png")).shape == (300, 400)
    assert "0 converted, 3 skipped" in on_a_terminal(
        [str(environment / "bin/grayscale"), "holiday/", "--variant", "simple"], tmp_path
    )


def the_networks_are_those_of_the_lock(workspace: Workspace, wheel: Path) -> None:
    """The wheel holds all variants in dvc.lock, with its hashes, without a removed one, and only the library's code."""
    stages = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"]
    folders = {name[6:]: stage["outs"][0]["md5"] for name, stage in stages.items() if name.startswith("train@")}
    del folders["removed"]
    with zipfile.ZipFile(wheel) as archive:
        packed = json.loads(archive.read("grayscale/trained/list.json"))
        assert {name: model["folder"] for name, model in packed.items()} == folders
        for name, model in packed.items():
            file = workspace.folder / "data/models" / name / "model.onnx"
            assert archive.read(f"grayscale/trained/{name}/model.onnx") == file.read_bytes()
            assert model["sha256"] == sha256(file)
        tops = {name.partition("/")[0] for name in archive.namelist()}
        assert {top for top in tops if not top.endswith(".dist-info")} == {"grayscale"}


def test_a_model_that_differs_from_the_lock_is_not_packed(workspace: Workspace) -> None:
    with (workspace.folder / "data/models/simple/curve.csv").open("a") as curve:
        curve.write("\n")
    result = workspace.run("make", "wheel", "RUNTIME=", ok=False)
    assert "not what dvc.lock records of train@simple" in result.stderr
    assert not (workspace.folder / "dist").exists()
