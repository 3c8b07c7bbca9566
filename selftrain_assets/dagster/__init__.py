"""An experiment as a graph of Dagster assets.

An asset body reads its inputs, calls the stage, and returns what the UI shows.
"""
