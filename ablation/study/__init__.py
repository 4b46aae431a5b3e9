"""Which runs a command asks for, and which of them have finished."""
