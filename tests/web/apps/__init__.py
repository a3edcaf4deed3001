"""Applications in the shape of tutorials, which the tests change as the how-tos say."""
