"""What keeps secrets where they belong: which names speak of one, what one looks like, and striking it out of text."""
