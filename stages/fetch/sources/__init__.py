"""One module per source of photographs, found by its name: `Settings`, its keys in params.yaml, and `plan`."""
