"""Fitting a candidate: what Lightning, Optuna and scikit-learn are used for, and nowhere else."""
