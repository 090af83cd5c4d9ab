"""How close synthetic images come to real ones."""
