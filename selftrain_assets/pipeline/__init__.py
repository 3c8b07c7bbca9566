"""The stages of a round, independent of Dagster.

Each stage reads the manifests of earlier stages, computes which work is missing, does it, and
commits a manifest of its own.
"""
