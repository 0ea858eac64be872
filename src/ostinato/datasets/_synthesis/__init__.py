"""A small world of made-up artists and the synthesiser that plays their pieces."""
