"""Run livecount as ``python -m livecount``."""

from livecount.cli import main

if __name__ == "__main__":
    main()
