"""Source `folder`: image files below a local folder."""

from pathlib import Path

from stages.common.artifacts import ArtifactError
from stages.fetch.files import plan_files
from stages.fetch.source import ImageFiles, Plan


class Settings(ImageFiles):
    """`inputs` is the folder."""


def plan(settings: Settings, _: Path) -> Plan:
    """The image files below the folder `settings.inputs`, see `plan_files`; `ArtifactError` if it does not exist."""
    folder = Path(settings.inputs)
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such folder; `fetch.inputs`, or `inputs` of the test set, must name one")
    return plan_files(folder, settings, source=folder.absolute().name, licence="not stated")
