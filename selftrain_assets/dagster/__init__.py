"""An experiment's asset graph.

An asset body reads its inputs, calls the stage, and returns what the UI shows.
"""
