"""What Pillow does not read from image files: colour stated in numbers, 16-bit colour, TIFF pages, exact EXIF."""


class DecodeError(Exception):
    """A file gives no photograph. The message is a short reason without a path; it becomes part of an output."""
