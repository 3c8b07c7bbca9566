"""What runs inside the container: supervisor, zygote, and one forked process per case.

Standard library alone.
"""
