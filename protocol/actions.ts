// The Messaging service as one table: UPnP Messaging:1 and :2 (ISO/IEC 29341-26-12), whose actions are the same.
// SOAP client, hosted service, SCPD, tunnel and REST all derive from it; a test holds it against the official SCPDs.

/** What a state variable holds: text, a wildcard enumeration, or an XML document named by its model in phone-model.ts. */
export interface StateVariable {
  readonly evented?: true;
  readonly allowed?: readonly string[];
  readonly default?: string;
  readonly document?: DocumentName;
}

/** The XML documents that travel inside arguments, by the name of their model. */
export type DocumentName =
  | 'telephonyIdentity'
  | 'messagingCapabilities'
  | 'newMessages'
  | 'sessionUpdates'
  | 'message'
  | 'messageList'
  | 'recipientsList'
  | 'sessionInfo'
  | 'sessionsList'
  | 'fileInfoList';

/** The wildcard of SearchMessages and GetSessions; the empty string means the same. */
export const ANY = 'ANY';

export const messageClasses = ['e-Mail', 'SMS', 'MMS', 'Instant Message'] as const;
export const messageFolders = ['Received', 'Outgoing', 'Sent', 'Deleted', 'ClosedSession'] as const;
export const messageStatuses = ['Read', 'Unread'] as const;
export const sessionClasses = ['e-Mail', 'SMS', 'MMS', 'Chat', 'File-Transfer', 'Mixed'] as const;
export const sessionStatuses = ['Pending', 'Running', 'Parked', 'Closed'] as const;

export const stateVariables = {
  A_ARG_TYPE_TelephonyServerIdentity: { document: 'telephonyIdentity' },
  A_ARG_TYPE_MessagingCapabilities: { document: 'messagingCapabilities' },
  NewMessages: { evented: true, document: 'newMessages' },
  SessionUpdates: { evented: true, document: 'sessionUpdates' },
  A_ARG_TYPE_MessageID: {},
  A_ARG_TYPE_MessageClass: { allowed: [...messageClasses, ANY] },
  A_ARG_TYPE_MessageFolder: { allowed: [...messageFolders, ANY], default: 'Received' },
  A_ARG_TYPE_MessageStatus: { allowed: [...messageStatuses, ANY] },
  A_ARG_TYPE_Message: { document: 'message' },
  A_ARG_TYPE_MessageList: { document: 'messageList' },
  A_ARG_TYPE_SessionID: {},
  A_ARG_TYPE_SessionClass: { allowed: [...sessionClasses, ANY], default: 'Chat' },
  A_ARG_TYPE_RecipientsList: { document: 'recipientsList' },
  A_ARG_TYPE_SessionInfo: { document: 'sessionInfo' },
  A_ARG_TYPE_SessionsList: { document: 'sessionsList' },
  A_ARG_TYPE_SupportedContentType: {},
  A_ARG_TYPE_Subject: {},
  A_ARG_TYPE_SessionStatus: { allowed: [...sessionStatuses, ANY] },
  A_ARG_TYPE_FileInfoList: { document: 'fileInfoList' },
} as const satisfies Record<string, StateVariable>;

export type StateVariableName = keyof typeof stateVariables;

/** One action: argument name → related state variable, in the order of the service description. */
export interface Action {
  readonly in: Readonly<Record<string, StateVariableName>>;
  readonly out: Readonly<Record<string, StateVariableName>>;
  /**
   * Whether calling twice does no more than calling once. The others are never repeated after a lost answer:
   * SendMessage, CreateSession and StartFileTransfer act again; GetNewMessages may clear the list on some devices.
   */
  readonly repeatable: boolean;
  /** Whether the action changes what the phone holds. */
  readonly changes: boolean;
}

const read = { repeatable: true, changes: false } as const;
const settle = { repeatable: true, changes: true } as const;
const act = { repeatable: false, changes: true } as const;
const session = { SessionID: 'A_ARG_TYPE_SessionID' } as const;

export const actions = {
  GetTelephonyIdentity: { in: {}, out: { TelephonyIdentity: 'A_ARG_TYPE_TelephonyServerIdentity' }, ...read },
  GetMessagingCapabilities: { in: {}, out: { SupportedCapabilities: 'A_ARG_TYPE_MessagingCapabilities' }, ...read },
  GetNewMessages: { in: {}, out: { NewMessages: 'NewMessages' }, ...read },
  SearchMessages: {
    in: {
      MessageClass: 'A_ARG_TYPE_MessageClass',
      MessageFolder: 'A_ARG_TYPE_MessageFolder',
      MessageStatus: 'A_ARG_TYPE_MessageStatus',
      SessionID: 'A_ARG_TYPE_SessionID',
    },
    out: { MessageList: 'A_ARG_TYPE_MessageList' },
    ...read,
  },
  ReadMessage: {
    in: { MessageID: 'A_ARG_TYPE_MessageID' },
    out: { MessageRequested: 'A_ARG_TYPE_Message' },
    ...settle,
  },
  SendMessage: { in: { MessageToSend: 'A_ARG_TYPE_Message' }, out: { MessageID: 'A_ARG_TYPE_MessageID' }, ...act },
  DeleteMessage: { in: { MessageID: 'A_ARG_TYPE_MessageID' }, out: {}, ...settle },
  CreateSession: {
    in: {
      SessionClass: 'A_ARG_TYPE_SessionClass',
      SessionRecipients: 'A_ARG_TYPE_RecipientsList',
      Subject: 'A_ARG_TYPE_Subject',
      SupportedContentType: 'A_ARG_TYPE_SupportedContentType',
    },
    out: session,
    ...act,
  },
  ModifySession: {
    in: {
      ...session,
      SessionRecipientsToAdd: 'A_ARG_TYPE_RecipientsList',
      SessionRecipientsToRemove: 'A_ARG_TYPE_RecipientsList',
      Subject: 'A_ARG_TYPE_Subject',
      SupportedContentType: 'A_ARG_TYPE_SupportedContentType',
      SessionClass: 'A_ARG_TYPE_SessionClass',
    },
    out: {},
    ...settle,
  },
  AcceptSession: { in: session, out: {}, ...settle },
  GetSessionUpdates: { in: {}, out: { SessionUpdates: 'SessionUpdates' }, ...read },
  GetSessions: {
    in: {
      ...session,
      SessionClass: 'A_ARG_TYPE_SessionClass',
      SessionStatus: 'A_ARG_TYPE_SessionStatus',
    },
    out: { SessionsList: 'A_ARG_TYPE_SessionsList' },
    ...read,
  },
  JoinSession: { in: session, out: {}, ...settle },
  LeaveSession: { in: session, out: {}, ...settle },
  CloseSession: { in: session, out: {}, ...settle },
  StartFileTransfer: { in: { FileInfoList: 'A_ARG_TYPE_FileInfoList' }, out: {}, ...act },
  CancelFileTransfer: { in: session, out: {}, ...settle },
  GetFileTransferSession: { in: session, out: { FileInfoList: 'A_ARG_TYPE_FileInfoList' }, ...read },
} as const satisfies Record<string, Action>;

export type ActionName = keyof typeof actions;
export const actionNames = Object.keys(actions) as readonly ActionName[];

export function isActionName(name: string): name is ActionName {
  return Object.hasOwn(actions, name);
}

/** The model that an argument's state variable holds, or undefined where the argument is plain text. */
export function documentOf(variable: StateVariableName): DocumentName | undefined {
  return (stateVariables[variable] as StateVariable).document;
}
