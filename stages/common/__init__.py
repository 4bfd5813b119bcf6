"""What every stage uses: the run of a stage, settings, versions, files, and where work is done."""
