"""The one loop that fills the holes of a grid of codes, and the pieces it is made of."""
