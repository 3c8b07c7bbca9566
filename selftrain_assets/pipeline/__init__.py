"""The stages of a round. Each reads manifests, computes what is owed, does it, commits a
manifest. None knows Dagster."""
