"""Fitting of candidates: the only package that uses Lightning and Optuna.

How a value such as the learning rate gets from params.yaml into training: `ostinato.core.params` checks it
(``train.lr``, overridden by a candidate's own ``train`` and the tuned values), `settings` merges the three,
`network` creates the optimiser in `module` and the callbacks, and `schedule` sets the rate of each epoch.
"""
