"""Pure rules: keys, seeds, prompts, selection, statistics and checks."""
