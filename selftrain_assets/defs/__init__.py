"""Experiments, a folder for each."""
