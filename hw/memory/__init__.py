"""Memories: loading them byte by byte, and reading them as streams."""
