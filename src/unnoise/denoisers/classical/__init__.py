"""Classical denoisers: they have no weights and learn nothing. They are told the noise, or measure it."""
