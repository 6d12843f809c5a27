"""Data: what is carried in the package, what is fetched, how it is read, and how it is dealt to the peers."""
