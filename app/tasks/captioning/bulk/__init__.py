"""Captions of any number of pictures, by shards: what is done is there, and what is not there is still to do.

A manifest lists the pictures once, in order. A shard is so many pictures in a row, and its captions are one file, which
appears as a whole. So a run may be stopped or killed anywhere, and several processes or machines may share one: whoever
runs the same command again does what is missing. A shard that is done twice gets the same bytes.
"""
