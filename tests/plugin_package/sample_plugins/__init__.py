"""A plug-in of each kind, offered to selftrain by the entry points in pyproject.toml."""
