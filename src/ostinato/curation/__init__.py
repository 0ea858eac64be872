"""From a listing to numbered, measured and split tracks."""
