"""Denoising many files on many machines, by Ray: storage, the account in Parquet, workers, tiles and the run."""
