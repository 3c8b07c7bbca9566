"""Crash-safe files, and child processes that never outlive their parent."""
