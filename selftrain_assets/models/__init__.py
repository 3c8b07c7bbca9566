"""Loading and checking models, chat templates and tokenizers."""
