"""The diagrams of the pages: `make docs` draws them."""
