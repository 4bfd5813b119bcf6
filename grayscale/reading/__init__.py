"""What Pillow leaves out of image files: colour in numbers, 16-bit colour, pages, EXIF that it would change."""
