"""Speech and music over HTTP and in the browser: empty until the first of them is built."""
