"""Why a candidate says what it says of a file."""
