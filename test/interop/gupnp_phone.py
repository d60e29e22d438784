"""A telephone that hosts Messaging on GUPnP, a stack that nobody here wrote.

It speaks a vocabulary of its own inside the arguments (prefixes, attributes, other names, epoch seconds), as a
stranger's device would. Run: gupnp_phone.py FOLDER INTERFACE VERSION UDN; FOLDER holds scpd.xml. Lines of JSON on
standard input make things happen; lines of JSON on standard output tell what happened.
"""
import json
import sys
import time
import uuid
from xml.sax.saxutils import escape, quoteattr

import gi

gi.require_version("GUPnP", "1.6")
gi.require_version("GSSDP", "1.6")
from gi.repository import GLib, GObject, GSSDP, GUPnP  # noqa: E402

from gupnp_context import on_any_port  # noqa: E402

folder, interface, version, udn = sys.argv[1:5]
device_type = f"urn:schemas-upnp-org:device:TelephonyServer:{version}"
service_type = f"urn:schemas-upnp-org:service:Messaging:{version}"
messages = {}
sessions = {}
# Messages that were sent and are not listed yet.
unlisted = {}


def say(**what):
    print(json.dumps(what), flush=True)


def description():
    return f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>1</minor></specVersion>
<device><deviceType>{device_type}</deviceType><friendlyName>GUPnP telephone</friendlyName>
<manufacturer>Nobody here</manufacturer><modelName>G</modelName><UDN>{udn}</UDN>
<serviceList><service><serviceType>{service_type}</serviceType>
<serviceId>urn:upnp-org:serviceId:Messaging</serviceId><SCPDURL>/scpd.xml</SCPDURL>
<controlURL>/control/m</controlURL><eventSubURL>/event/m</eventSubURL></service></serviceList></device></root>"""


def message_xml(message):
    session = f' m:SESSION-ID={quoteattr(message["session"])}' if message["session"] else ""
    return (
        f'<m:Message m:ID={quoteattr(message["id"])} m:type={quoteattr(message["class"])} read="{message["read"]}"{session}>'
        f'<m:Folder>{message["folder"]}</m:Folder><m:originator>{escape(message["from"])}</m:originator>'
        + "".join(f"<m:Destination><m:tel>{escape(to)}</m:tel></m:Destination>" for to in message["to"])
        + f'<m:timestamp>{message["time"]}</m:timestamp><m:PayLoad mimeType="text/plain">{escape(message["body"])}</m:PayLoad></m:Message>'
    )


def messages_xml(chosen):
    return '<m:Messages xmlns:m="urn:example:telephone">' + "".join(map(message_xml, chosen)) + "</m:Messages>"


def new_messages_xml():
    return messages_xml([m for m in messages.values() if m["read"] == "false"])


def session_xml(session):
    people = "".join(f'<contact uri={quoteattr(p)} state="joined"/>' for p in session["people"])
    return (
        f'<Session><id>{session["id"]}</id><type>{session["class"]}</type><status>{session["status"]}</status>'
        f'<subject>{escape(session["subject"])}</subject><recipientsList>{people}</recipientsList></Session>'
    )


def sessions_xml(chosen):
    return "<Sessions>" + "".join(map(session_xml, chosen)) + "</Sessions>"


def field(document, *names):
    """The text of the first element of one of these local names in a document that Homeline wrote."""
    import xml.etree.ElementTree as tree

    for node in tree.fromstring(document).iter():
        if node.tag.split("}")[-1] in names and node.text:
            return node.text
    return ""


def addresses(document):
    import xml.etree.ElementTree as tree

    root = tree.fromstring(document)
    recipients = [n for n in root.iter() if n.tag.split("}")[-1] == "recipient"]
    return [a.text for n in recipients for a in n.iter() if a.tag.split("}")[-1] == "address"]


class Refusal(Exception):
    def __init__(self, code, words):
        self.code, self.words = code, words


def found(table, key, code, words):
    if key not in table:
        raise Refusal(code, words)
    return table[key]


def store(**message):
    messages[message["id"]] = message
    return message


def matches(wanted, value):
    return wanted in ("", "ANY", value)


class Actions:
    def GetTelephonyIdentity(self):
        return {"TelephonyIdentity": "<id><entry><number>+390119998</number><alias>Hall</alias></entry></id>"}

    def GetMessagingCapabilities(self):
        return {
            "SupportedCapabilities": "<caps><messageClassCapability><class>SMS</class><pageMode>yes</pageMode>"
            "<sessionMode>true</sessionMode></messageClassCapability><fileTransfer>1</fileTransfer></caps>"
        }

    def GetNewMessages(self):
        return {"NewMessages": new_messages_xml()}

    def SearchMessages(self, MessageClass, MessageFolder, MessageStatus, SessionID):
        chosen = [
            m
            for m in messages.values()
            if matches(MessageClass, m["class"])
            and matches(MessageFolder, m["folder"])
            and matches(MessageStatus, "Read" if m["read"] == "true" else "Unread")
            and SessionID in ("", "ANY", m["session"])
        ]
        return {"MessageList": messages_xml(chosen)}

    def ReadMessage(self, MessageID):
        message = found(messages, MessageID, 701, "no such message")
        message["read"] = "true"
        say(read=MessageID)
        return {"MessageRequested": messages_xml([message])}

    def SendMessage(self, MessageToSend):
        message = store(
            id=f"g-{uuid.uuid4()}", read="true", folder="Sent", session=field(MessageToSend, "sessionID"),
            to=addresses(MessageToSend), body=field(MessageToSend, "content"), time=int(time.time()),
            **{"class": field(MessageToSend, "messageClass"), "from": "+390119998"},
        )
        if message["to"] == ["refuse"]:
            del messages[message["id"]]
            raise Refusal(706, "not a number")
        say(sent=message["id"], to=message["to"], body=message["body"])
        if message["to"] == ["late"]:
            unlisted[message["id"]] = messages.pop(message["id"])
        if message["to"] in (["lose"], ["late"]):
            raise Refusal(501, "the answer is lost")
        return {"MessageID": message["id"]}

    def DeleteMessage(self, MessageID):
        found(messages, MessageID, 701, "no such message")
        del messages[MessageID]
        say(deleted=MessageID)
        return {}

    def CreateSession(self, SessionClass, SessionRecipients, Subject, SupportedContentType):
        session = {"id": f"gs-{len(sessions) + 1}", "class": SessionClass, "status": "Running", "subject": Subject}
        session["people"] = addresses(SessionRecipients)
        sessions[session["id"]] = session
        if session["people"] == ["lose"]:
            raise Refusal(501, "the answer is lost")
        return {"SessionID": session["id"]}

    def ModifySession(self, SessionID, SessionRecipientsToAdd, SessionRecipientsToRemove, Subject, SupportedContentType, SessionClass):
        session = found(sessions, SessionID, 702, "no such session")
        gone = addresses(SessionRecipientsToRemove) if SessionRecipientsToRemove else []
        more = addresses(SessionRecipientsToAdd) if SessionRecipientsToAdd else []
        session["people"] = [p for p in session["people"] if p not in gone] + more
        session["subject"] = Subject or session["subject"]
        return {}

    def move(self, session_id, status):
        found(sessions, session_id, 702, "no such session")["status"] = status
        return {}

    def AcceptSession(self, SessionID):
        return self.move(SessionID, "Running")

    def JoinSession(self, SessionID):
        return self.move(SessionID, "Running")

    def LeaveSession(self, SessionID):
        return self.move(SessionID, "Parked")

    def CloseSession(self, SessionID):
        return self.move(SessionID, "Closed")

    def GetSessionUpdates(self):
        return {"SessionUpdates": ""}

    def GetSessions(self, SessionID, SessionClass, SessionStatus):
        return {
            "SessionsList": sessions_xml(
                s
                for s in sessions.values()
                if SessionID in ("", "ANY", s["id"]) and matches(SessionClass, s["class"]) and matches(SessionStatus, s["status"])
            )
        }

    def StartFileTransfer(self, FileInfoList):
        session = field(FileInfoList, "sessionID")
        found(sessions, session, 702, "no such session")["file"] = FileInfoList
        return {}

    def CancelFileTransfer(self, SessionID):
        session = found(sessions, SessionID, 702, "no such session")
        if "file" not in session:
            raise Refusal(707, "no such file transfer")
        session["file"] = session["file"].replace("pending", "cancelled")
        return {}

    def GetFileTransferSession(self, SessionID):
        session = found(sessions, SessionID, 702, "no such session")
        return {"FileInfoList": session.get("file", "<files/>")}


actions = Actions()
inputs = {name: fn.__code__.co_varnames[1 : fn.__code__.co_argcount] for name, fn in vars(Actions).items() if name[0].isupper()}


def invoked(name):
    def on_invoked(service, action):
        try:
            given = {argument: action.get_value(argument, GObject.TYPE_STRING) or "" for argument in inputs[name]}
            for argument, value in getattr(actions, name)(**given).items():
                action.set_value(argument, value)
        except Refusal as refusal:
            action.return_error(refusal.code, refusal.words)
            return
        action.return_success()

    return on_invoked


def command(channel, condition):
    line = sys.stdin.readline()
    if not line:
        loop.quit()
        return False
    wish = json.loads(line)
    if "receive" in wish:
        message = store(folder="Received", read="false", session="", to=["+390119998"], **wish["receive"])
        service.notify_value("NewMessages", new_messages_xml())
        say(received=message["id"])
    elif "silently" in wish:
        store(folder="Received", read="false", session="", to=["+390119998"], **wish["silently"])
        say(received=wish["silently"]["id"])
    elif "appear" in wish:
        messages[wish["appear"]] = unlisted.pop(wish["appear"])
        service.notify_value("NewMessages", new_messages_xml())
        say(appeared=wish["appear"])
    elif "forget" in wish:
        del messages[wish["forget"]]
        say(forgotten=wish["forget"])
    elif "status" in wish:
        say(read={m["id"]: m["read"] for m in messages.values()})
    return True


with open(f"{folder}/device.xml", "w") as file:
    file.write(description())
architecture = GSSDP.UDAVersion.VERSION_1_1 if version == "2" else GSSDP.UDAVersion.VERSION_1_0
context = on_any_port(lambda: GUPnP.Context.new_full(interface, None, 0, architecture))
device = GUPnP.RootDevice.new(context, "device.xml", folder)
service = device.get_service(service_type)
for name in inputs:
    service.connect(f"action-invoked::{name}", invoked(name))

device.set_available(True)
GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, command)
loop = GLib.MainLoop()
say(ready=True, port=context.get_port())
loop.run()
device.set_available(False)
