"""Parts of beside_reference.py: this engine and the Python reference on one set of weights."""
