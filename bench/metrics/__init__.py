"""What is measured, one definition a class, each with its direction, unit and range."""
