"""The hall: the only package that imports the ground rooms. `app.py` wires it, `door.py` guards every act."""
