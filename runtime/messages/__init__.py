"""Every cause, error and page text is a code with parameters; this room words it, in English and Chinese."""
