// The XML documents inside Messaging arguments as ONE data table: names, namespace, nesting and synonyms.
// The standard's own schemas are not available to us; they would become a second profile.
import type { DocumentName } from '../../protocol/actions.ts';
import {
  messageClasses,
  messageFolders,
  messageStatuses,
  sessionClasses,
  sessionStatuses,
} from '../../protocol/actions.ts';
import { sessionChanges } from '../../protocol/phone-model.ts';

/** The XML form of a value. A flag is true or false, a mark true or absent, a count an integer from 0. */
export type Scalar = 'text' | 'time' | 'flag' | 'mark' | 'count' | { readonly oneOf: readonly string[] };

/** The first name is written, every name is read; case, `-` and `_` are ignored. */
export type Names = readonly [string, ...string[]];

interface OneField {
  readonly kind: 'one';
  readonly key: string;
  readonly names: Names;
  readonly scalar: Scalar;
  /** Where it is written. Reading accepts a child element or an attribute. `text`: the element's own text. */
  readonly place: 'element' | 'attribute' | 'text';
  /** How an absent value is written: omitted, or as an empty element. Undefined: the value is required. */
  readonly absent?: 'omitted' | 'empty';
  /** Replaces a required value that a device omits. */
  readonly fallback?: string | number | boolean;
  /** Read the element's own text when no name is found. */
  readonly orOwnText?: true;
  /** For a field of a merged element: names that are also searched beside that element. */
  readonly outside?: Names;
  /** Another flag that implies this value, such as `read="true"`. */
  readonly implied?: { readonly names: Names; readonly whenTrue: string; readonly whenFalse: string };
}

interface ManyField {
  readonly kind: 'many';
  readonly key: string;
  readonly names: Names;
  readonly scalar: Scalar;
}

interface RecordField {
  readonly kind: 'record';
  readonly key: string;
  readonly names: Names;
  readonly shape: Shape;
  readonly absent?: 'omitted';
}

interface RecordsField {
  readonly kind: 'records';
  readonly key: string;
  /** The element around the items; undefined: they are direct children of the record. */
  readonly wrapper?: Names;
  readonly names: Names;
  readonly shape: Shape;
}

/** An element whose fields belong to the record around it: `<content type="…">body</content>`. */
interface MergedField {
  readonly kind: 'merged';
  readonly names: Names;
  readonly shape: Shape;
  /** This key is set to true when the element is missing. */
  readonly missing: string;
}

export type Field = OneField | ManyField | RecordField | RecordsField | MergedField;
export type Shape = readonly Field[];

export type DocumentShape =
  | { readonly kind: 'record'; readonly names: Names; readonly shape: Shape }
  | { readonly kind: 'list'; readonly names: Names; readonly item: Names; readonly shape: Shape };

export interface Profile {
  readonly namespace: string;
  readonly documents: Readonly<Record<DocumentName, DocumentShape>>;
}

type OneOptions = Partial<Omit<OneField, 'kind' | 'key' | 'names' | 'scalar'>>;
const one = (key: string, names: Names, scalar: Scalar, options: OneOptions = {}): OneField => ({
  kind: 'one',
  key,
  names,
  scalar,
  place: 'element',
  ...options,
});
const many = (key: string, names: Names, scalar: Scalar): ManyField => ({ kind: 'many', key, names, scalar });
const optional = { absent: 'omitted' } as const;
const attribute = { place: 'attribute', absent: 'omitted' } as const;

/** Marks a required time that a device omits; the synchroniser replaces it by the time the message was first seen. */
export const unknownTime = '1970-01-01T00:00:00.000Z';

const party: Shape = [
  one('role', ['role'], { oneOf: ['to', 'cc', 'bcc'] }, attribute),
  one('state', ['state', 'status'], { oneOf: ['invited', 'joined', 'left'] }, attribute),
  one('address', ['address', 'uri', 'number', 'telephoneNumber', 'phoneNumber', 'tel', 'email', 'id'], 'text', {
    fallback: '',
    orOwnText: true,
  }),
  one('displayName', ['displayName', 'name', 'alias'], 'text', optional),
];

const contentTypeNames: Names = ['contentType', 'mimeType', 'type'];
const timeNames: Names = ['time', 'date', 'timestamp', 'receivedTime', 'sentTime', 'dateTime'];
const messageIdNames: Names = ['messageID', 'id', 'msgID', 'messageIdentifier'];
const messageClassNames: Names = ['messageClass', 'class', 'type', 'messageType'];
const senderNames: Names = ['sender', 'from', 'originator', 'caller'];
const sizeNames: Names = ['size', 'length', 'fileSize', 'bytes'];
const recipientNames: Names = ['recipient', 'to', 'destination', 'receiver', 'contact'];
const recipients = {
  kind: 'records',
  key: 'to',
  wrapper: ['recipients', 'recipientsList'],
  names: recipientNames,
  shape: party,
} as const;

const attachment: Shape = [
  one('name', ['name', 'fileName'], 'text', { fallback: '' }),
  one('contentType', contentTypeNames, 'text', { fallback: 'application/octet-stream' }),
  one('sizeBytes', sizeNames, 'count', { fallback: 0 }),
  one('url', ['url', 'uri', 'href'], 'text', optional),
  one('sha256', ['sha256'], 'text', optional),
];

const content: Shape = [
  one('contentType', ['type', 'contentType', 'mimeType'], 'text', {
    place: 'attribute',
    fallback: 'text/plain',
    outside: ['contentType', 'mimeType'],
  }),
  one('bodyOmitted', ['omitted'], 'mark', attribute),
  one('body', ['content'], 'text', { place: 'text', fallback: '' }),
];

const message: Shape = [
  one('messageId', messageIdNames, 'text'),
  one('messageClass', messageClassNames, { oneOf: messageClasses }, { fallback: 'SMS' }),
  one('folder', ['messageFolder', 'folder'], { oneOf: messageFolders }, { fallback: 'Received' }),
  one(
    'status',
    ['messageStatus', 'status', 'state', 'readStatus'],
    { oneOf: messageStatuses },
    { fallback: 'Unread', implied: { names: ['read'], whenTrue: 'Read', whenFalse: 'Unread' } },
  ),
  one('sessionId', ['sessionID', 'session'], 'text', { absent: 'empty' }),
  { kind: 'record', key: 'from', names: senderNames, shape: party },
  recipients,
  one('subject', ['subject', 'title'], 'text', { absent: 'empty' }),
  one('time', timeNames, 'time', { fallback: unknownTime }),
  {
    kind: 'merged',
    names: ['content', 'body', 'text', 'messageBody', 'payload'],
    shape: content,
    missing: 'bodyOmitted',
  },
  { kind: 'records', key: 'attachments', wrapper: ['attachments'], names: ['attachment'], shape: attachment },
];

const newMessage: Shape = [
  one('messageId', messageIdNames, 'text'),
  one('messageClass', messageClassNames, { oneOf: messageClasses }, { fallback: 'SMS' }),
  one('sessionId', ['sessionID', 'session'], 'text', optional),
  { kind: 'record', key: 'from', names: senderNames, shape: party, absent: 'omitted' },
  one('time', timeNames, 'time', optional),
];

const sessionIdNames: Names = ['sessionID', 'id', 'session'];
const sessionClassNames: Names = ['sessionClass', 'class', 'type'];
const sessionStatusNames: Names = ['sessionStatus', 'status', 'state'];
const contentTypes = many('contentTypes', ['supportedContentType', 'contentType', 'mimeType'], 'text');

const session: Shape = [
  one('sessionId', sessionIdNames, 'text'),
  one('sessionClass', sessionClassNames, { oneOf: sessionClasses }, { fallback: 'Chat' }),
  one('status', sessionStatusNames, { oneOf: sessionStatuses }, { fallback: 'Running' }),
  one('subject', ['subject', 'title'], 'text', { absent: 'empty' }),
  contentTypes,
  { kind: 'record', key: 'initiator', names: ['initiator', 'owner', 'originator'], shape: party, absent: 'omitted' },
  { ...recipients, key: 'recipients' },
  one('startedAt', ['startTime', 'startedAt', 'created'], 'time', optional),
  one('updatedAt', ['updateTime', 'updatedAt', 'modified', 'lastUpdate'], 'time', optional),
];

const sessionUpdate: Shape = [
  one('sessionId', sessionIdNames, 'text'),
  one('status', sessionStatusNames, { oneOf: sessionStatuses }, { fallback: 'Running' }),
  one('change', ['change', 'event', 'reason'], { oneOf: sessionChanges }, { fallback: 'modified' }),
  one('time', timeNames, 'time', optional),
];

const classCapability: Shape = [
  one('messageClass', messageClassNames, { oneOf: messageClasses }),
  one('pageMode', ['pageMode'], 'flag', { fallback: false }),
  one('sessionMode', ['sessionMode'], 'flag', { fallback: false }),
  one('maxBodyLength', ['maxBodyLength'], 'count', optional),
  one('maxRecipients', ['maxRecipients'], 'count', optional),
  one('maxAttachmentBytes', ['maxAttachmentSize', 'maxAttachmentBytes'], 'count', optional),
  contentTypes,
];

const capabilities: Shape = [
  { kind: 'records', key: 'classes', names: ['messageClassCapability', 'classCapability'], shape: classCapability },
  many('sessionClasses', ['sessionClass'], { oneOf: sessionClasses }),
  one('fileTransfer', ['fileTransfer'], 'flag', { fallback: false }),
];

const fileInfo: Shape = [
  one('fileId', ['fileID', 'id'], 'text'),
  one('sessionId', ['sessionID', 'session'], 'text', { fallback: '' }),
  one('name', ['name', 'fileName'], 'text', { fallback: '' }),
  one('contentType', contentTypeNames, 'text', { fallback: 'application/octet-stream' }),
  one('sizeBytes', sizeNames, 'count', { fallback: 0 }),
  one('url', ['url', 'uri', 'href'], 'text', { fallback: '' }),
  one('direction', ['direction'], { oneOf: ['send', 'receive'] }, { fallback: 'receive' }),
  one(
    'status',
    ['status', 'state'],
    { oneOf: ['pending', 'transferring', 'completed', 'cancelled', 'failed'] },
    { fallback: 'pending' },
  ),
  one('transferredBytes', ['transferred', 'transferredBytes'], 'count', { fallback: 0 }),
];

/** Our own profile: the form we write, and the names of other implementations that we read. */
export const homelineProfile: Profile = {
  namespace: 'urn:homeline:messaging:1',
  documents: {
    telephonyIdentity: { kind: 'list', names: ['telephonyIdentity'], item: ['identity'], shape: party },
    messagingCapabilities: { kind: 'record', names: ['messagingCapabilities', 'capabilities'], shape: capabilities },
    newMessages: { kind: 'list', names: ['newMessages'], item: ['newMessage', 'message'], shape: newMessage },
    sessionUpdates: {
      kind: 'list',
      names: ['sessionUpdates'],
      item: ['sessionUpdate', 'session'],
      shape: sessionUpdate,
    },
    message: { kind: 'record', names: ['message'], shape: message },
    messageList: { kind: 'list', names: ['messageList', 'messages'], item: ['message'], shape: message },
    recipientsList: { kind: 'list', names: ['recipientsList', 'recipients'], item: recipientNames, shape: party },
    sessionInfo: { kind: 'record', names: ['sessionInfo', 'session'], shape: session },
    sessionsList: {
      kind: 'list',
      names: ['sessionsList', 'sessions'],
      item: ['sessionInfo', 'session'],
      shape: session,
    },
    fileInfoList: { kind: 'list', names: ['fileInfoList', 'files'], item: ['fileInfo', 'file'], shape: fileInfo },
  },
};

/** All profiles for reading, chosen by the namespace of a document; the first is the default. */
const profiles: readonly [Profile, ...Profile[]] = [homelineProfile];

export function profileOf(namespace: string | undefined): Profile {
  return profiles.find((profile) => profile.namespace === namespace) ?? profiles[0];
}
