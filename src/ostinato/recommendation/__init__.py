"""Recommendation: a catalog of vectors, the tracks nearest to some seeds, and their order.

Similarity is the cosine, or for tracks described by a table the Euclidean distance.
Every ranking is a pair ``(ids, scores)`` of arrays, best first. Neither torch nor
pandas is imported here, so that a recommendation starts fast.
"""
