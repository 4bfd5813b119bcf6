"""The one error of files that give no photograph."""


class DecodeError(Exception):
    """A file gives no photograph. The message is a short reason without any path: it becomes part of an output."""
