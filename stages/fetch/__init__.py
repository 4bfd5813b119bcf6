"""Where photographs come from, and the container they travel in. No gray, no patches."""
