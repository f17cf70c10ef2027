"""``python -m balans`` is the command ``balans``."""

from balans.cli.main import main

if __name__ == "__main__":
    main()
