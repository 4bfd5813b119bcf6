"""Where photographs come from, which split each belongs to, and how they are packed. No gray, no patches."""
