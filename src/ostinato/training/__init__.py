"""Fitting a candidate: what Lightning, Optuna and scikit-learn are used for, and nowhere else.

The way of a number from params.yaml into training, such as the learning rate: `ostinato.core.params` checks it
(``train.lr``, which a candidate's own ``train`` and the tuned values override), `settings` merges the three,
`network` makes the optimiser in `module` and the callbacks, and `schedule` sets the rate of each epoch.
"""
