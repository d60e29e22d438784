"""A GUPnP context on any free port."""
from gi.repository import GLib


def on_any_port(make):
    """GUPnP looks for a free port first and takes it afterwards; on a busy machine another program has it by then."""
    for _ in range(9):
        try:
            return make()
        except GLib.GError:
            pass
    return make()
