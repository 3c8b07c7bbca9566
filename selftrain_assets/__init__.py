"""Self-training of language models; every stage of every round is a Dagster asset."""
