"""The web page and its HTTP API, thin: both use the file path of the command line (`batch.one_file`)."""
