"""What all tests share."""

import signal

from hypothesis import settings

# A machine that does other work too is slow now and then, which says nothing about the code; and a run that finds
# something must find it again.
settings.register_profile("trine", deadline=None, derandomize=True)
settings.load_profile("trine")

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts: commands under test must get it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
