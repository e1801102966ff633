"""Numbers as pages write them: a real minus, commas between thousands, and powers of ten instead of an e.

`numbers.js` writes them alike for the components.
"""

from __future__ import annotations

import math

SMALLEST, LARGEST = 1e-4, 1e6
"""Between these a number has no power of ten."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def general(value: float, digits: int = 3) -> str:
    """With so many significant digits, no zeros at the end; all digits of a whole number: "0.0123", "12,345"."""
    if not math.isfinite(value):
        return "–"
    size, sign = abs(value), "−" if value < 0 else ""
    if size == 0:
        return "0"
    rounded = float(f"{size:.{digits}g}")
    if SMALLEST <= rounded < LARGEST:
        return sign + (f"{size:,.0f}" if rounded >= 10**digits else f"{rounded:.{max(digits, 6)}g}")
    mantissa, _, exponent = f"{size:.{digits - 1}e}".partition("e")
    return f"{sign}{float(mantissa):g}\u00a0×\u00a010{str(int(exponent)).translate(_RAISED)}"


def signed(value: float, digits: int = 3) -> str:
    """The same with a plus or a minus: "+0.0123"; "0" has none."""
    return ("+" if value > 0 else "") + general(value, digits)


def power(exponent: float) -> str:
    """10^exponent as a person writes it: "2.5 × 10¹⁴"."""
    if math.isnan(exponent):
        return "–"
    whole = math.floor(exponent)
    mantissa = f"{10 ** (exponent - whole):.1f}"
    if mantissa == "10.0":
        mantissa, whole = "1.0", whole + 1
    return f"{mantissa} × 10{str(whole).translate(_RAISED)}"
