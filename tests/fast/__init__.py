"""The pure core and the manager: no servers, no files."""
