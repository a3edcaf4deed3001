"""A Django project of the shape that Django's own tutorial builds: questions, votes, the stock admin."""
