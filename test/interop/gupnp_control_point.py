"""A control point on GUPnP, a stack that nobody here wrote: finds one telephone, subscribes, calls what it is told.

Run: gupnp_control_point.py INTERFACE UDN. Lines of JSON on standard input are actions to call: {"action", "in": [[name,
value]], "out": [names]}; lines of JSON on standard output tell what was found, answered and evented.
"""
import json
import sys

import gi

gi.require_version("GUPnP", "1.6")
from gi.repository import GLib, GObject, GUPnP  # noqa: E402

from gupnp_context import on_any_port  # noqa: E402

interface, udn = sys.argv[1:3]
found = None


def say(**what):
    print(json.dumps(what), flush=True)


def on_notify(_proxy, variable, value, *_):
    say(event=variable, value=value)


def on_service(_control_point, proxy):
    global found
    if found is not None or proxy.get_udn() != udn:
        return
    found = proxy
    for variable in ("NewMessages", "SessionUpdates"):
        proxy.add_notify(variable, GObject.TYPE_STRING, on_notify, None)
    proxy.connect("subscription-lost", lambda *_: say(lost=True))
    proxy.set_subscribed(True)
    say(found=proxy.get_service_type(), location=proxy.get_location())


def on_introspection(introspection_proxy, result, _data=None):
    introspection = introspection_proxy.introspect_finish(result)
    say(actions=[action.name for action in introspection.list_actions()])


def on_line(channel, _condition):
    line = channel.readline()
    if not line:
        loop.quit()
        return False
    asked = json.loads(line)
    if asked.get("introspect"):
        found.introspect_async(None, on_introspection)
        return True
    names = [name for name, _ in asked["in"]]
    values = [value for _, value in asked["in"]]
    action = GUPnP.ServiceProxyAction.new_from_list(asked["action"], names, values)
    try:
        found.call_action(action, None)
        answer = {}
        if asked["out"]:
            _, results = action.get_result_list(asked["out"], [GObject.TYPE_STRING] * len(asked["out"]))
            answer = dict(zip(asked["out"], results))
        say(answer=answer)
    except GLib.Error as error:
        say(fault=error.code, words=error.message)
    return True


context = on_any_port(lambda: GUPnP.Context.new(interface, 0))
control_point = GUPnP.ControlPoint.new(context, "urn:schemas-upnp-org:service:Messaging:2")
control_point.connect("service-proxy-available", on_service)
control_point.set_active(True)
loop = GLib.MainLoop()
GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, on_line)
loop.run()
if found is not None:
    found.set_subscribed(False)
