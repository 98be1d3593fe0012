"""``python -m translator`` is ``xlate``."""

from translator.cli import main

if __name__ == "__main__":
    main()
