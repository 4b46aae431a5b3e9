"""The look of all figures: colours that colour-blind readers tell apart, and the sizes of tiles."""

#: Okabe and Ito's colours, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, AMBER, GREY, LIGHT, BLACK = "#56B4E9", "#E69F00", "#666666", "#D9D9D9", "#1a1a1a"
#: Pixels: a thumbnail's side, the space around it, a line of text below it.
SIDE, GAP, LINE = 112, 8, 15


def shortened(text: str, length: int) -> str:
    """The text, of which at most `length` characters are shown."""
    return text if len(text) <= length else text[: length - 1] + "…"
