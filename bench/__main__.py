"""`python -m fflbench`."""

from fflbench.cli import main

if __name__ == "__main__":
    main()
