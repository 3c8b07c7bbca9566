"""What is done to a store besides running rounds: audit, retract, verify again, collect garbage,
trace, export, sweep."""
