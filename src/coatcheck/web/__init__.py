"""coatcheck in web frameworks: pure HTTP helpers, and one thin adapter for each framework."""
