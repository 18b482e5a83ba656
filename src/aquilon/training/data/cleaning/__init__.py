"""Raw text to clean text: three passes over chunks of documents, in parallel, and each can be resumed.

The rules are datatrove's filters; words, work and reports are ours.
"""
