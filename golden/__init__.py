"""The integer specification in NumPy: what is right. Imports nothing else of trine."""
