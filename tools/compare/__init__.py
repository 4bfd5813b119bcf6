"""Do two revisions score differently? Intervals and verdicts, as Markdown."""
