"""TriPosT: learning from corrected attempts (arXiv 2310.13522)."""
