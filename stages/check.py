"""`python -m stages.check`: check the whole of params.yaml, before any work, and say what is wrong with it.

So are the folders of photographs that it names: DVC reads them before it starts a stage, and would stop without a name
or wait for ever.
"""

from pathlib import Path

from stages.common import settings
from stages.fetch.inputs import unfit
from stages.fetch.settings import read
from stages.targets.conversion import require_known


def check() -> None:
    """Raise `SettingsError` if a stage would refuse params.yaml; names the key and what is allowed, or the file."""
    checked = settings.load()
    sources = {"fetch": checked.fetch, **{f"test_sets.{name}": source for name, source in checked.test_sets.items()}}
    inputs = {key: read(key, source).inputs for key, source in sources.items()}
    require_known(checked.targets.conversion)
    for key, folder in inputs.items():
        if found := unfit(Path(folder)):
            lines = "\n  ".join([f"{key}.inputs: DVC can't read all of {folder}; move or rename:", *found])
            raise settings.SettingsError(lines)


if __name__ == "__main__":
    try:
        check()
    except settings.SettingsError as error:
        raise SystemExit(str(error)) from None
