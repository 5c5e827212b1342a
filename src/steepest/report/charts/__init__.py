"""Charts as inline SVG: text in, text out, coloured by the page's style sheet.

Every chart is about 460 units wide, so that its 13-unit lettering stays readable both in a column
of a wide page and on a phone.
"""
