"""Runtime helpers: small tested functions and layers that are copied, as source text, into translated files."""
