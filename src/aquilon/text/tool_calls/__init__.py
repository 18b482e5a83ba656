"""Formats of tool calls: one file for each, with its grammar and its reader.

``tool_format`` finds a model's format; ``AnswerReader`` splits a streamed answer into text, thoughts and calls.
"""

from aquilon.text.tool_calls.detection import tool_format
from aquilon.text.tool_calls.format import ToolFormat
from aquilon.text.tool_calls.pieces import CallBegun, CallGrown, Piece, Said, Thought
from aquilon.text.tool_calls.reading import AnswerReader

__all__ = ["AnswerReader", "CallBegun", "CallGrown", "Piece", "Said", "Thought", "ToolFormat", "tool_format"]
