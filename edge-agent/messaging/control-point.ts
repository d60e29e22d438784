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
import { type ActionCall, argumentOf, callAction, streamArgument } from '../upnp/control/soap.ts';
import type { Network } from '../upnp/network/network.ts';
import { ActionQueue, GaveWay, type QueueOptions } from './action-queue.ts';
import { DocumentError } from './document-tree.ts';
import { readDocument, writeDocument } from './documents.ts';
import { brokenLines } from './lines.ts';
import { type ListLimits, ListReading } from './list-reading.ts';
import type { ListRead, TakeMessages } from './message-list.ts';
import { SharedReads } from './shared-reads.ts';

export interface ControlPointOptions {
  readonly network: Network;
  readonly udn: string;
  readonly controlUrl: string;
  /** As the device wrote it. */
  readonly serviceType: string;
  /** The only address that is called: the one of the phone's description. */
  readonly peer?: string;
  readonly queue?: QueueOptions;
  /** How much of one list is read, unless told otherwise. */
  readonly list?: ListLimits;
}

export interface CallOptions {
  /** For the whole answer; of a list of messages, for its beginning. */
  readonly deadlineMs: number;
  /** A list that stops for so long has broken off; 30 s unless told. */
  readonly stallMs?: number;
  readonly signal?: AbortSignal;
  /** Called when the connection to the phone stands, before it is asked; what it throws holds the call back. */
  beforeSend?(): void;
}

export type ReadOptions = Pick<CallOptions, 'deadlineMs' | 'signal'>;

export type TextArguments = Readonly<Record<string, string>>;

/** What is taken in of a phone's narrow lists and events before it must list all that it has, in UTF-16 units. */
export const maxListChars = 8 * 1024 * 1024;
/** An action that takes longer beside a list may be waiting for it. */
const patienceMs = 700;
/** A list that gave way so often is read to its end: on a phone that is never quiet it would never be. */
const mostGivingWay = 5;

/** A service must answer within 30 s (UPnP Device Architecture 2.0 §3.2.5). */
export const standardDeadlineMs = 30_000;

export class PhoneControlPoint {
  readonly udn: string;
  readonly #options: ControlPointOptions;
  readonly #queue: ActionQueue;
  readonly #sharedReads = new SharedReads<Record<string, string>>();

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
    if (options.exclusive) this.#sharedReads.closeAll();
    return this.#queue.run(() => task(this.#calls), options);
  }

  /**
   * Reads from the phone in its queue. Identical reads that wait there are answered by one call, which begins after
   * each of them was asked.
   * @throws UpnpError; GatewayError `too-many-requests`; the signal's reason
   */
  read(action: ActionName, given: TextArguments, options: ReadOptions): Promise<Record<string, string>> {
    const { deadlineMs, signal } = options;
    return this.#sharedReads.read(
      JSON.stringify([action, given]),
      { untilMs: performance.now() + deadlineMs, signal },
      (call, shared) => this.#queue.run(call, { exclusive: false, signal: shared }),
      (shared) => {
        const leftMs = Math.max(1, shared.untilMs - performance.now());
        return this.#callText(action, given, { deadlineMs: leftMs, signal: shared.signal });
      },
    );
  }

  /**
   * Reads a long list beside this phone's queue, so that actions need not wait for it. The task is begun again where it had
   * to give way to one.
   */
  async inBackground<Result>(task: (calls: PhoneCalls, signal: AbortSignal) => Promise<Result>): Promise<Result> {
    for (let tries = 0; ; tries++) {
      const patience = tries < mostGivingWay ? patienceMs : Number.POSITIVE_INFINITY;
      try {
        return await this.#queue.runBeside((signal) => task(this.#callsBeside, signal), patience);
      } catch (error) {
        if (!(error instanceof GaveWay)) throw error;
      }
    }
  }

  /** Ends what runs in the background. */
  abandonBackground(): void {
    this.#queue.abortBeside(new GatewayError('conflict', 'The phone is let go.'));
  }

  readonly #calls: PhoneCalls = {
    text: (action, given, options) => this.#callText(action, given, options),
    model: async (action, input, options) => {
      const output = await this.#callText(action, writeArguments(action, input), options);
      return readArguments(this.udn, action, output) as ActionOutput<typeof action>;
    },
    searchMessages: (search, options, take) => this.#searchMessages(search, options, take, true),
  };
  /** The same, with lists that are read while other requests to the phone are under way. */
  readonly #callsBeside: PhoneCalls = {
    ...this.#calls,
    searchMessages: (search, options, take) => this.#searchMessages(search, options, take, false),
  };

  async #searchMessages(
    search: MessageSearch,
    options: CallOptions,
    take: TakeMessages,
    inTurn: boolean,
  ): Promise<ListRead> {
    let reading: ListReading | undefined;
    const call = { ...this.#callOf('SearchMessages', { ...search }, options), inTurn };
    const begin = () => {
      reading = new ListReading(this.udn, take, this.#options.list);
      const { read } = reading;
      return read;
    };
    try {
      const { isThere, isComplete } = await streamArgument(this.#options.network, call, 'MessageList', begin);
      // No list is not the empty list: everything would be taken for deleted.
      if (reading === undefined || !isThere) return { isComplete: false, count: 0 };
      return await reading.end(isComplete);
    } catch (error) {
      await reading?.handOn();
      // What failed at our end is not the phone's failure.
      throw reading?.failure ?? error;
    }
  }

  async #callText(action: ActionName, given: TextArguments, options: CallOptions): Promise<Record<string, string>> {
    const call = this.#callOf(action, given, options);
    const answer = await callAction(this.#options.network, {
      ...call,
      ...(action === 'SearchMessages' && { maxAnswerChars: maxListChars }),
    });
    const output: Record<string, string> = {};
    for (const name of Object.keys(actions[action].out)) {
      const value = argumentOf(answer, name);
      if (value !== undefined) output[name] = value;
    }
    return output;
  }

  #callOf(action: ActionName, given: TextArguments, options: CallOptions): ActionCall {
    const { controlUrl, serviceType, peer } = this.#options;
    const table = actions[action];
    return {
      controlUrl,
      serviceType,
      action,
      arguments: Object.keys(table.in).map((name) => [name, given[name] ?? ''] as const),
      deadlineMs: options.deadlineMs,
      repeatable: table.repeatable,
      ...(options.stallMs !== undefined && { stallMs: options.stallMs }),
      ...(options.signal !== undefined && { signal: options.signal }),
      ...(peer !== undefined && { peer }),
      ...(options.beforeSend !== undefined && { beforeSend: options.beforeSend }),
    };
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
