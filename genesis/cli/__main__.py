"""`python -m genesis.cli` is the `genesis` program."""

from genesis.cli.app import main

if __name__ == "__main__":
    main()
