"""Recipe rest_em: sample, keep what is right, fine-tune, repeat (arXiv 2312.06585)."""
