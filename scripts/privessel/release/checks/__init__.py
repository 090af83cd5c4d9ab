"""What a recipient checks a release with, and the texts of a release, which the check writes again.

These files are published with every release, in its folder `checks`, where they run without the rest of
privessel. So they need the standard library and dp-accounting alone, and `cryptography` for a signature.
"""
