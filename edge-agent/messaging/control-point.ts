// Calls one phone's Messaging service: arguments from the one table of actions, as exact strings or as models.
import {
  type ActionName,
  actions,
  type DocumentName,
  documentOf,
  type StateVariableName,
} from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { type ActionInput, type ActionOutput, documentSchemas } from '../../protocol/phone-model.ts';
import { argumentOf, callAction } from '../upnp/control/soap.ts';
import type { Network } from '../upnp/network/network.ts';
import { ActionQueue, type QueueOptions } from './action-queue.ts';
import { DocumentError } from './document-tree.ts';
import { readDocument, writeDocument } from './documents.ts';
import { brokenLines } from './lines.ts';
import { type ListRead, type MessageEntry, readMessages } from './message-list.ts';

export interface ControlPointOptions {
  readonly network: Network;
  readonly udn: string;
  readonly controlUrl: string;
  /** As the device wrote it. */
  readonly serviceType: string;
  /** The only address that is called: the one of the phone's description. */
  readonly peer?: string;
  readonly queue?: QueueOptions;
}

export interface CallOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** Called when the connection to the phone stands, before it is asked; what it throws holds the call back. */
  beforeSend?(): void;
}

export type TextArguments = Readonly<Record<string, string>>;

/** The list of all messages of a phone comes in one answer: some ten thousand of them. */
export const maxListChars = 8 * 1024 * 1024;

/** A service must answer within 30 s (UPnP Device Architecture 2.0 §3.2.5). */
export const standardDeadlineMs = 30_000;

export class PhoneControlPoint {
  readonly udn: string;
  readonly #options: ControlPointOptions;
  readonly #queue: ActionQueue;

  constructor(options: ControlPointOptions) {
    this.udn = options.udn;
    this.#options = options;
    this.#queue = new ActionQueue(options.queue);
  }

  /**
   * Runs a section in this phone's queue. An exclusive one sees no other change and no other search in between.
   * @throws GatewayError `too-many-requests`
   */
  inTurn<Result>(
    task: (calls: PhoneCalls) => Promise<Result>,
    options: { exclusive: boolean; signal?: AbortSignal },
  ): Promise<Result> {
    return this.#queue.run(() => task(this.#calls), options);
  }

  readonly #calls: PhoneCalls = {
    text: (action, given, options) => this.#callText(action, given, options),
    model: async (action, input, options) => {
      const output = await this.#callText(action, writeArguments(action, input), options);
      return readArguments(this.udn, action, output) as ActionOutput<typeof action>;
    },
    searchMessages: async (search, options, take) => {
      const { MessageList } = await this.#callText('SearchMessages', { ...search }, options);
      const context = { device: this.udn, action: 'SearchMessages' };
      // No list is not the empty list: everything would be taken for deleted.
      if (MessageList === undefined) return { isComplete: false, count: 0 };
      const { entries, isComplete } = readMessages(MessageList, context);
      await take(entries);
      return { isComplete, count: entries.length };
    },
  };

  async #callText(action: ActionName, given: TextArguments, options: CallOptions): Promise<Record<string, string>> {
    const { network, controlUrl, serviceType, peer } = this.#options;
    const table = actions[action];
    const answer = await callAction(network, {
      controlUrl,
      serviceType,
      action,
      arguments: Object.keys(table.in).map((name) => [name, given[name] ?? ''] as const),
      deadlineMs: options.deadlineMs,
      repeatable: table.repeatable,
      ...(action === 'SearchMessages' && { maxAnswerChars: maxListChars }),
      ...(options.signal !== undefined && { signal: options.signal }),
      ...(peer !== undefined && { peer }),
      ...(options.beforeSend !== undefined && { beforeSend: options.beforeSend }),
    });
    const output: Record<string, string> = {};
    for (const name of Object.keys(table.out)) {
      const value = argumentOf(answer, name);
      if (value !== undefined) output[name] = value;
    }
    return output;
  }
}

/** What a section of the queue may do with the phone. */
export interface PhoneCalls {
  /** Exact UPnP strings through, both ways. Throws UpnpError. */
  text(action: ActionName, given: TextArguments, options: CallOptions): Promise<Record<string, string>>;
  /** With each XML document as its model. Throws UpnpError, and GatewayError `phone-malformed`. */
  model<Name extends ActionName>(
    action: Name,
    input: ActionInput<Name>,
    options: CallOptions,
  ): Promise<ActionOutput<Name>>;
  /**
   * SearchMessages, each message with its XML beside it. They are handed to `take` in batches as they arrive; the next
   * batch waits for its promise. What was taken stays true when the list then breaks off: it is thrown or not complete.
   * Throws UpnpError, and GatewayError `phone-malformed`.
   */
  searchMessages(search: MessageSearch, options: CallOptions, take: TakeMessages): Promise<ListRead>;
}

export type TakeMessages = (entries: MessageEntry[]) => void | Promise<void>;

export interface MessageSearch {
  readonly MessageClass: string;
  readonly MessageFolder: string;
  readonly MessageStatus: string;
  readonly SessionID: string;
}

/**
 * In-arguments as the phone takes them, checked against the table.
 * @throws GatewayError `invalid-request` naming the arguments that are missing, unknown or not valid
 */
export function checkArguments(
  action: ActionName,
  form: 'text' | 'model',
  given: Readonly<Record<string, unknown>>,
): TextArguments {
  const names = Object.keys(actions[action].in);
  const faults = [
    ...names.filter((name) => !Object.hasOwn(given, name)).map((name) => `${name} is missing`),
    ...Object.keys(given)
      .filter((name) => !names.includes(name))
      .map((name) => `${name.slice(0, 40)} is unknown`),
  ];
  const checked: Record<string, unknown> = {};
  for (const [name, variable] of inArguments(action)) {
    const document = form === 'model' ? documentOf(variable) : undefined;
    const value = given[name];
    if (value === undefined) continue;
    faults.push(...brokenLines(name, value, form === 'text' && documentOf(variable) !== undefined));
    if (document === undefined) {
      if (typeof value !== 'string') faults.push(`${name} is no text`);
      checked[name] = value;
    } else {
      const result = documentSchemas[document].safeParse(value);
      if (!result.success) faults.push(`${name} is no ${document}: ${result.error.issues[0]?.path.join('.')}`);
      checked[name] = result.data;
    }
  }
  if (faults.length > 0) throw new GatewayError('invalid-request', `${action}: ${faults.join(', ')}.`);
  return form === 'model' ? writeArguments(action, checked) : (checked as TextArguments);
}

/**
 * Out-arguments with each XML document read as its model; an absent text is the empty one.
 * @throws DocumentError when a document is missing or cannot be understood
 */
export function readArguments(udn: string, action: ActionName, output: TextArguments): Record<string, unknown> {
  const context = { device: udn, action };
  return Object.fromEntries(
    outArguments(action).map(([name, variable]) => {
      const document = documentOf(variable);
      const text = output[name];
      if (document === undefined) return [name, text ?? ''];
      if (text === undefined) throw new DocumentError(document, '', context, 'is missing');
      return [name, readDocument(document, text, context)];
    }),
  );
}

function writeArguments(action: ActionName, given: Readonly<Record<string, unknown>>): TextArguments {
  return Object.fromEntries(
    inArguments(action).map(([name, variable]) => {
      const document: DocumentName | undefined = documentOf(variable);
      return [name, document === undefined ? String(given[name]) : writeDocument(document, given[name] as never)];
    }),
  );
}

function inArguments(action: ActionName): [string, StateVariableName][] {
  return Object.entries(actions[action].in);
}

function outArguments(action: ActionName): [string, StateVariableName][] {
  return Object.entries(actions[action].out);
}
