"""What every command uses: connecting, output, errors, exit codes, names and passwords."""
