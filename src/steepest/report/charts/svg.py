"""Builds SVG text: elements with escaped attributes and content, and paths from points."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

Attributes = Mapping[str, object]


class Markup(str):
    """Text that is SVG already; any other text is escaped when it enters an element."""

    __slots__ = ()

    def __html__(self) -> str:
        """Tell the page template that this needs no escaping."""
        return str(self)


def number(value: float) -> str:
    """Write a coordinate with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def element(name: str, attributes: Attributes, children: Iterable[str] = ()) -> Markup:
    """Write one element; underscores in attribute names become hyphens.

    Args:
        name: such as `"circle"`.
        attributes: by name; numbers are written short, None leaves the attribute out.
        children: inner elements (`Markup`) or text, which is escaped.
    """
    written = "".join(
        f' {key.replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(
        child if isinstance(child, Markup) else html.escape(child, quote=False)
        for child in children
    )
    return Markup(f"<{name}{written}>{inner}</{name}>")


def _attribute(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return html.escape(str(value))


def tooltip(text: str) -> Markup:
    """A `<title>`, which browsers show when the pointer rests on the element around it."""
    return element("title", {}, [text])


def label(x: float, y: float, content: str, style: str = "", anchor: str = "start") -> Markup:
    """A line of text at a point; `style` names classes of the style sheet."""
    return element(
        "text", {"x": x, "y": y, "text_anchor": anchor, "class": style or None}, [content]
    )


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def rectangle(
    x: float, y: float, width: float, height: float, style: str, hint: str = "", radius: float = 0.0
) -> Markup:
    """A rectangle, with `hint` as its tooltip."""
    attributes = {
        "x": x,
        "y": y,
        "width": max(0.0, width),
        "height": max(0.0, height),
        "rx": radius or None,
        "class": style,
    }
    return element("rect", attributes, [tooltip(hint)] if hint else [])


def circle(x: float, y: float, radius: float, style: str, hint: str = "") -> Markup:
    """A disc, with `hint` as its tooltip."""
    attributes = {"cx": x, "cy": y, "r": radius, "class": style}
    return element("circle", attributes, [tooltip(hint)] if hint else [])


def polyline(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A line through points, as one path."""
    return element("path", {"d": _through(points), "class": style})


def area(points: Sequence[tuple[float, float]], floor: float, style: str) -> Markup:
    """The area between a line through points and the height `floor`."""
    closed = [*points, (points[-1][0], floor), (points[0][0], floor)]
    return element("path", {"d": _through(closed) + "Z", "class": style})


def dots(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """Many round dots as one path: zero-length strokes with round caps."""
    path = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return element("path", {"d": path, "class": style})


def _through(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def picture(
    width: float,
    height: float,
    title: str,
    description: str,
    children: Iterable[str],
    style: str = "chart",
) -> Markup:
    """A whole SVG picture with a name and a description for those who cannot see it."""
    attributes = {
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "role": "img",
        "aria-label": f"{title}. {description}",
        "class": style,
    }
    return element("svg", attributes, children)
