"""All results in one place: a summary for git, a page for people, tables for `dvc plots`. Nothing is measured here."""
