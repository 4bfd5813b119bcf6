"""Is the conversion one that there is? Apart from the cutting, for who only checks params.yaml."""

from grayscale.conversions import CONVERSIONS
from stages.common.settings import PARAMS, SettingsError


def require_known(conversion: str) -> None:
    """Raise `SettingsError`, which names the known ones, unless there is such a conversion."""
    if conversion not in CONVERSIONS:
        raise SettingsError(
            f"{PARAMS}: targets.conversion: unknown conversion {conversion!r}; known are {', '.join(CONVERSIONS)}"
        )
