"""`python -m trine.host.cli` is `trine`."""

from trine.host.cli import main

if __name__ == "__main__":
    main()
