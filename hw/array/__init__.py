"""The ternary array: weight words and activation codes in, exact row sums out."""
