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
import { ActionQueue, Preempted, type QueueOptions } from './action-queue.ts';
import { DocumentError } from './document-tree.ts';
import { readDocument, writeDocument } from './documents.ts';
import { brokenLines } from './lines.ts';
import { type ListLimits, ListReader } from './list-reading.ts';
import type { ListRead, TakeMessages } from './message-list.ts';
import { SharedReads } from './shared-reads.ts';

export interface ControlPointOptions {
  readonly network: Network;
  readonly udn: string;
  readonly controlUrl: string;
  /** Exactly as the device wrote it. */
  readonly serviceType: string;
  /** The only address that may be called: that of the phone's description. */
  readonly peer?: string;
  readonly queue?: QueueOptions;
  /** Caps for one list; default `listLimits`. */
  readonly list?: ListLimits;
}

export interface CallOptions {
  /** For the whole answer; for a list of messages, only for its start. */
  readonly deadlineMs: number;
  /** Fails a list that sends nothing for this long; default 30 s. */
  readonly stallMs?: number;
  readonly signal?: AbortSignal;
  /** Called once connected, before the request is sent; an exception stops the call. */
  beforeSend?(): void;
}

export type ReadOptions = Pick<CallOptions, 'deadlineMs' | 'signal'>;

export type TextArguments = Readonly<Record<string, string>>;

/** Cap on narrow lists and events, in UTF-16 units; over it, the phone must list everything. */
export const maxListChars = 8 * 1024 * 1024;
/** An action beside a list that takes longer than this may be waiting for the list. */
const preemptAfterMs = 700;
/** After this many preemptions a list runs to its end; otherwise it never would on a busy phone. */
const maxPreemptions = 5;

/** A service must answer within 30 s (UPnP Device Architecture 2.0 §3.2.5). */
export const defaultDeadlineMs = 30_000;

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
   * Runs a task in this phone's queue. During an exclusive task there is no other change and no other search.
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
  /**
   * Reads from the phone in its queue. Identical queued reads share one call, which starts after each was requested.
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
   * Reads a long list outside this phone's queue, so that actions need not wait for it. A preempted task restarts.
   */
  async inBackground<Result>(task: (calls: PhoneCalls, signal: AbortSignal) => Promise<Result>): Promise<Result> {
    for (let attempts = 0; ; attempts++) {
      const preemptMs = attempts < maxPreemptions ? preemptAfterMs : Number.POSITIVE_INFINITY;
      try {
        return await this.#queue.runPreemptible((signal) => task(this.#backgroundCalls, signal), preemptMs);
      } catch (error) {
        if (!(error instanceof Preempted)) throw error;
      }
    }
  }

  /** Aborts the background task. */
  abortBackground(): void {
    this.#queue.abortPreemptible(new GatewayError('conflict', 'The phone is dropped.'));
  }

  readonly #calls: PhoneCalls = {
    text: (action, given, options) => this.#callText(action, given, options),
    model: async (action, input, options) => {
      const output = await this.#callText(action, writeArguments(action, input), options);
      return readArguments(this.udn, action, output) as ActionOutput<typeof action>;
    },
    searchMessages: (search, options, take) => this.#searchMessages(search, options, take, true),
  };
  /** The same, but lists run while other requests to the phone are in flight. */
  readonly #backgroundCalls: PhoneCalls = {
    ...this.#calls,
    searchMessages: (search, options, take) => this.#searchMessages(search, options, take, false),
  };

  async #searchMessages(
    search: MessageSearch,
    options: CallOptions,
    take: TakeMessages,
    inTurn: boolean,
  ): Promise<ListRead> {
    let reading: ListReader | undefined;
    const call = { ...this.#callOf('SearchMessages', { ...search }, options), inTurn };
    const begin = () => {
      reading = new ListReader(this.udn, take, this.#options.list);
      const { read } = reading;
      return read;
    };
    try {
      const { isThere, isComplete } = await streamArgument(this.#options.network, call, 'MessageList', begin);
      // A missing list is not an empty one: every message would count as deleted.
      if (reading === undefined || !isThere) return { isComplete: false, count: 0 };
      return await reading.end(isComplete);
    } catch (error) {
      await reading?.flush();
      // An error of ours is not the phone's failure.
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

/** The calls available to a task in the queue. */
export interface PhoneCalls {
  /** Passes exact UPnP strings both ways. Throws UpnpError. */
  text(action: ActionName, given: TextArguments, options: CallOptions): Promise<Record<string, string>>;
  /** Converts XML documents from and to models. Throws UpnpError, and GatewayError `phone-malformed`. */
  model<Name extends ActionName>(
    action: Name,
    input: ActionInput<Name>,
    options: CallOptions,
  ): Promise<ActionOutput<Name>>;
  /**
   * Calls SearchMessages and passes the messages, with their XML, to `take` in batches as they arrive; the next batch waits
   * for its promise. Batches stay valid when the list then breaks off, which throws or returns an incomplete list.
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
 * In arguments as strings, checked against the table.
 * @throws GatewayError `invalid-request` naming the missing, unknown or invalid arguments
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
      if (typeof value !== 'string') faults.push(`${name} is not a string`);
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
 * Out arguments with XML documents parsed to models; a missing text is the empty string.
 * @throws DocumentError when a document is missing or unreadable
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
