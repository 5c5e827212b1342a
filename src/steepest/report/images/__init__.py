"""The report of a training on images: the page of tables with the worst mistakes as pictures."""

from steepest.report.images.collect import ImageRun, collect_images
from steepest.report.images.contents import ImageReport, Picture
from steepest.report.images.page import render_image_html, write_image_html

__all__ = [
    "ImageReport",
    "ImageRun",
    "Picture",
    "collect_images",
    "render_image_html",
    "write_image_html",
]
