"""Processes and files: what is written survives a crash, and a child process never outlives its
parent."""
