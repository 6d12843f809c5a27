"""What goes wrong because of what the user gave us: one clear line, exit code 2, never a traceback."""


class UserError(Exception):
    """Names the field, what was found, and what would be right."""


class UnfitError(UserError):
    """Parts of a cell that cannot go together, found only once its data were dealt: recorded as incompatible."""


class DataError(UserError):
    """Data that are missing, damaged or of the wrong shape, with the remedy."""
