"""One module per source of photographs: `Settings`, its keys in params.yaml, and `plan`, what it has to read."""
