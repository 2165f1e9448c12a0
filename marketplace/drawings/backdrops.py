"""What stands behind a drawing: six quiet scenes in the ground's deeper tint, one per colourway.

Things that stand get a table to stand on; things laid flat get a cloth or a spot of paint.
Different scenes make a page of one kind (25 cheeses) look arranged rather than repeated.
"""

from __future__ import annotations

_TABLE = "M0 179Q58 173 122 177T240 174V240H0Z"
_SCALLOPS = "M0 0H240V22q-18 26-40 1-20 25-40 0-20 25-40 0-20 25-40 0-20 25-40 0-22 25-40-1Z"
_BLOB = "M22 118C18 62 62 20 122 22c58 0 98 40 96 98 0 58-40 100-98 98C64 220 24 176 22 118Z"
_RAYS = (
    "M120 178L0 165 0 132ZM120 178L0 88 0 40ZM120 178L48 0 92 0Z"
    "M120 178L139 0 181 0ZM120 178L240 19 240 81ZM120 178L240 130 240 155Z"
)
_BUNTING = (
    "M4 10l36 4-20 36ZM44 15l36 3-19 36ZM84 19l36 1-18 37ZM124 20l36-2-17 37ZM164 18l36-4-16 36ZM204 13l34-5-16 37Z"
)


def _tint(path: str) -> str:
    return f'<path fill="shade" d="{path}"/>'


STANDING = (
    _tint(f"{_TABLE}{_RAYS}"),
    _tint(f"{_TABLE}M44 186V112C46 56 76 26 121 25c46 1 74 34 76 86v76Z"),
    _tint(f"{_TABLE}M32 112a88 86 0 0 1 177-2 88 88 0 0 1-177 2Z"),
    _tint(f"{_TABLE}{_SCALLOPS}"),
    _tint(f"{_TABLE}M22 0h25l1 186H21ZM79 0h24v186H78ZM136 0h25l-1 186h-24ZM194 0h24l1 186h-25Z"),
    _tint(f"{_TABLE}{_BUNTING}"),
)

LAID = (
    _tint(_BLOB),
    _tint("M118 8 233 121 122 232 7 118Z"),
    _tint("M16 20 224 14 226 226 12 222Z"),
    _tint(f"{_SCALLOPS}M0 240V219q18-26 40-1 20-25 40 0 20-25 40 0 20-25 40 0 20-25 40 0 22-25 40 1v21Z"),
    _tint("M22 0h25l1 240H21ZM79 0h24v240H78ZM136 0h25l-1 240h-24ZM194 0h24l1 240h-25Z"),
    _tint("M40 240V112C42 50 74 22 121 21c48 1 78 34 80 90v129Z"),
)
