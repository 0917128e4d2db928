"""`python -m unnoise.cli`: the command line where it is not installed as a program, and in processes that it starts."""

from unnoise.cli import main

if __name__ == "__main__":
    main()
