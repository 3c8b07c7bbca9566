"""Operations on a store other than running rounds.

They audit it, retract samples, verify samples again, collect garbage, trace lineage, export
checkpoints and run sweeps.
"""
