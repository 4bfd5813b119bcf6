"""What Pillow leaves out of image files: colour in numbers, 16-bit colour, pages, EXIF that it would change."""


class DecodeError(Exception):
    """A file gives no photograph. The message is a short reason without any path: it becomes part of an output."""
