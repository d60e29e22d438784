// Delivers events to one subscriber, in order: UPnP Device Architecture 2.0 §4.2 and §4.3. Requirements H12, H13.
import { Agent, request } from 'node:http';
import { type HttpUrl, hostHeader } from '../network/http-url.ts';
import { escapeText } from '../xml/xml.ts';

export interface DeliveryOptions {
  readonly sid: string;
  /** Tried in this order until one accepts the event. */
  readonly callbacks: readonly HttpUrl[];
  /** The local address that received the SUBSCRIBE; events are sent from it. */
  readonly localAddress: string;
  valueOf(variable: string): string;
  /** The subscriber no longer knows the SID, or several events in a row went unanswered. */
  onLost(): void;
}

const deadlineMs = 5000;
/** UDA 2.0 §4.3: an unanswered event is dropped and the subscription kept; after three in a row we drop the subscription. */
const maxFailures = 3;

/**
 * Evented variables are state, not a stream: changes during a delivery are merged, and the next event carries the values
 * of that moment. A slow subscriber therefore costs one name per variable, and no event waits for more than one other.
 */
export class GenaDelivery {
  readonly #options: DeliveryOptions;
  readonly #agent: Agent;
  readonly #changed = new Set<string>();
  readonly #stopping = new AbortController();
  #seq = 0;
  #failures = 0;
  #state: 'waiting' | 'idle' | 'sending' = 'waiting';

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
  }

  /** Starts after the SUBSCRIBE was answered: the first event carries every variable, with SEQ 0. */
  begin(variables: readonly string[]): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'idle';
    this.changed(variables);
  }

  /** Marks variables as changed and sends them. */
  changed(variables: readonly string[]): void {
    for (const variable of variables) this.#changed.add(variable);
    if (this.#state === 'idle' && !this.#stopping.signal.aborted) void this.#send();
  }

  stop(): void {
    this.#stopping.abort();
    this.#agent.destroy();
  }

  async #send(): Promise<void> {
    this.#state = 'sending';
    while (this.#changed.size > 0 && !this.#stopping.signal.aborted) {
      const variables = [...this.#changed];
      this.#changed.clear();
      const seq = this.#seq;
      // 0 is reserved for the first event, so the highest SEQ wraps to 1.
      this.#seq = seq === 0xffffffff ? 1 : seq + 1;
      const outcome = await this.#deliver(seq, writePropertySet(variables, this.#options.valueOf));
      this.#failures = outcome === 'taken' ? 0 : this.#failures + 1;
      if (outcome === 'unknown-sid' || this.#failures >= maxFailures) {
        this.#options.onLost();
        return;
      }
    }
    this.#state = 'idle';
  }

  async #deliver(seq: number, body: string): Promise<'taken' | 'failed' | 'unknown-sid'> {
    for (const callback of this.#options.callbacks) {
      const status = await this.#post(callback, seq, body);
      if (status === 412) return 'unknown-sid';
      if (status !== undefined && status < 300) return 'taken';
    }
    return 'failed';
  }

  /** The status of the answer; undefined without one. A stale keep-alive connection is retried once. */
  async #post(callback: HttpUrl, seq: number, body: string): Promise<number | undefined> {
    const first = await this.#attempt(callback, seq, body);
    const answer = first === 'stale' ? await this.#attempt(callback, seq, body) : first;
    return answer === 'stale' ? undefined : answer;
  }

  #attempt(callback: HttpUrl, seq: number, body: string): Promise<number | 'stale' | undefined> {
    return new Promise((resolve) => {
      const notify = request({
        method: 'NOTIFY',
        host: callback.zone === undefined ? callback.host : `${callback.host}%${callback.zone}`,
        port: callback.port,
        path: callback.path,
        agent: this.#agent,
        localAddress: this.#options.localAddress,
        signal: this.#stopping.signal,
        headers: {
          HOST: hostHeader(callback),
          'CONTENT-TYPE': 'text/xml; charset="utf-8"',
          'CONTENT-LENGTH': Buffer.byteLength(body),
          NT: 'upnp:event',
          NTS: 'upnp:propchange',
          SID: this.#options.sid,
          SEQ: String(seq),
        },
      });
      notify.on('socket', (socket) => socket.setNoDelay(true));
      let late = false;
      const deadline = setTimeout(() => {
        late = true;
        notify.destroy();
      }, deadlineMs);
      const settle = (answer: number | 'stale' | undefined) => {
        clearTimeout(deadline);
        resolve(answer);
      };
      notify.on('error', () => settle(notify.reusedSocket && !late ? 'stale' : undefined));
      notify.on('response', (response) => {
        // Only the status counts; the deadline cuts an endless answer.
        response.on('error', () => undefined);
        response.resume();
        response.on('close', () => settle(response.statusCode));
      });
      notify.end(body);
    });
  }
}

/** The body of an event (UDA 2.0 §4.3.2). */
export function writePropertySet(variables: readonly string[], value: (variable: string) => string): string {
  const properties = variables.map(
    (variable) => `<e:property><${variable}>${escapeText(value(variable))}</${variable}></e:property>`,
  );
  return `<?xml version="1.0"?><e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0">${properties.join('')}</e:propertyset>`;
}
