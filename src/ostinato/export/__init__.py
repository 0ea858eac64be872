"""Networks and estimators as ONNX files: conversion, comparison with the original, and cost.

``network.onnx`` holds one graph with its weights inside: inputs are standardised
already, outputs are ``logits`` and ``embedding``. ``tagger.onnx`` holds the same
graph between what makes its inputs of a waveform and what makes a track's scores
of its logits. What a file is for stands in its metadata as JSON under the key
``ostinato``, and beside it in model.json, which `ostinato.stages.export` writes
of a candidate and `ostinato.pretrained.folder` of a published tagger. The same
network gives the same bytes, and nothing of the machine that wrote them.
"""
