"""Networks and estimators as ONNX files: conversion, comparison with the original, and cost.

``network.onnx`` is one graph with its weights: inputs are standardised, outputs are
``logits`` and ``embedding``. ``tagger.onnx`` adds to it the features before and the
scores of a track after, so that its input is a waveform. The metadata of a file are
JSON under the key ``ostinato`` and in model.json beside it, written by
`ostinato.stages.export` for candidates and `ostinato.pretrained.folder` for published
taggers. The same network gives the same bytes, without traces of the machine.
"""
