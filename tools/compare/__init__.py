"""Do two revisions score differently? Intervals, verdicts, and what changed between them."""
