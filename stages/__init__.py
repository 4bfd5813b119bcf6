"""The pipeline's rooms, in the order in which data flows: fetch, targets, train, evaluate, report."""
