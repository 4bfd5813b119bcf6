"""What can go wrong with a conversion, beside a photograph that can't be read (`grayscale.decode.DecodeError`)."""

from __future__ import annotations


class ModelError(Exception):
    """A trained model can't be found, loaded or used; the message says what to do."""
