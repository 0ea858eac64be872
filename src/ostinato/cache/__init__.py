"""The feature cache: all kinds of a track are computed from one decode and stored in shards.

A worker writes a whole shard beside the existing one, with the rows of the existing shard
and those of the tracks it decodes; then the new shard replaces the old one. The index always
matches the shards, so that the next run completes one that was killed. The result depends
only on tracks and kinds, not on the previous content.
"""
