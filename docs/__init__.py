"""What explains: the pages, how the site is made of them, and the diagrams in them."""
