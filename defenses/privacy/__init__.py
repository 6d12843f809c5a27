"""What peers do so that their updates tell less about their data."""
