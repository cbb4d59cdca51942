"""Makes `python -m muniment.cli` the same as `muniment`."""

from muniment.cli.program import main

if __name__ == "__main__":
    main()
