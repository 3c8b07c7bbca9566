"""Recipe tripost: learn from corrected attempts (TriPosT, arXiv 2310.13522)."""
