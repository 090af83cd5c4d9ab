"""Whole heads: a T1w scan whose brain is untouched and whose face is another one; and attacks on that."""
