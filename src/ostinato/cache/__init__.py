"""The feature cache: a track's kinds come from one decode, and lie in shards.

A worker writes a whole shard beside the one that stands there, from the rows that
one holds and from those of the tracks it decodes; then the shard is put in place.
At any moment the index tells the truth about the shards, so a run that was killed
is completed by the next one. What stands at the end depends on tracks and kinds
alone, not on what stood there before.
"""
