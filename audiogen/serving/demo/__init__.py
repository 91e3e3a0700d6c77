"""The page in the browser: one tab per thing that can be made. `audiogen demo` starts it.

`app.py` puts the tabs together and documents the endpoints; a new tab is one file and one line in `app.TABS`.
"""
