"""Names that moved or changed. Old ones work for one release and warn."""
