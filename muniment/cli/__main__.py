"""`python -m muniment.cli` is `muniment`."""

from muniment.cli.program import main

if __name__ == "__main__":
    main()
