"""Run the command line by `python -m selftrain_assets.cli`."""

from selftrain_assets.cli import main

main()
