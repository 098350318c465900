"""What all tests share."""

from hypothesis import settings

# A machine that does other work too is slow now and then, which says nothing about the code; and a run that finds
# something must find it again.
settings.register_profile("trine", deadline=None, derandomize=True)
settings.load_profile("trine")
