"""What stages hand to each other: packed photographs with their manifest, and patches."""
