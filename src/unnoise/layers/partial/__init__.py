"""Working out a part of a result, or a whole one in pieces, with less memory and work."""
