"""Bad days: real servers fail under an application, and what a visitor meets is what was promised (ruling 8)."""
