"""The Python API: what `import selftrain_assets as st` offers besides settings and types."""
