"""`python -m stages.check`: check the whole of params.yaml, before any work, and say what is wrong with it."""

from __future__ import annotations

from stages.common import settings
from stages.fetch.settings import read
from stages.targets.conversion import require_known


def check() -> None:
    """Raise `SettingsError` if a stage would refuse params.yaml; names the key and what is allowed."""
    checked = settings.load()
    read("fetch", checked.fetch)
    for name, photographs in checked.test_sets.items():
        read(f"test_sets.{name}", photographs)
    require_known(checked.targets.conversion)


if __name__ == "__main__":
    try:
        check()
    except settings.SettingsError as error:
        raise SystemExit(str(error)) from None
