// The dashboard's REST client. RFC 9457 problem details become ApiError.
import { plainLine } from './text/plain-names.ts';

interface Problem {
  title?: string;
  detail?: string;
  code?: string;
  requestId?: string;
  upnpCode?: number;
  upnpDescription?: string;
  /** The invalid fields. */
  issues?: { at: string; message: string }[];
  /** What the request made although it failed, for example the failed message. */
  resource?: string;
}

/** A refused request; status 0 with code `network` means that no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly requestId: string | undefined;
  /** The id of the object that the request made before it failed. */
  readonly resource: string | undefined;

  constructor(status: number, problem: Problem, cause?: unknown) {
    super(inWords(status, problem), { cause });
    this.name = 'ApiError';
    this.status = status;
    this.code = problem.code ?? 'unknown';
    this.title = problem.title ?? 'That did not work';
    this.requestId = problem.requestId;
    this.resource = problem.resource;
  }

  /** Whether the outcome is unknown: the request may be retried with the same key. */
  get isUnanswered(): boolean {
    return this.resource === undefined && (this.status === 0 || this.status >= 500);
  }
}

export interface ApiPage<Item> {
  items: Item[];
  next: string | null;
}

export type Query = Readonly<Record<string, string | number | null | undefined>>;

export class Api {
  readonly #onUnauthorized: () => void;

  /** `onUnauthorized` is called when an answer shows that the session has ended. */
  constructor(onUnauthorized: () => void) {
    this.#onUnauthorized = onUnauthorized;
  }

  get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined) search.set(name, String(value));
    }
    return this.#request<Answer>('GET', search.size > 0 ? `${path}?${search}` : path);
  }

  /** `key`: the Idempotency-Key that makes a retry safe; without one each call is a new request. */
  post<Answer>(path: string, body: unknown = {}, key = newKey()): Promise<Answer> {
    return this.#request<Answer>('POST', path, { body, headers: { 'idempotency-key': key } });
  }

  patch<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.#request<Answer>('PATCH', path, { body });
  }

  /** Is sent even while the page is closing. */
  delete(path: string): Promise<void> {
    return this.#request<void>('DELETE', path, { keepalive: true });
  }

  async #request<Answer>(
    method: string,
    path: string,
    {
      body,
      headers = {},
      keepalive = false,
    }: { body?: unknown; headers?: Record<string, string>; keepalive?: boolean } = {},
  ): Promise<Answer> {
    const response = await fetch(path, {
      method,
      keepalive,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new ApiError(
        0,
        {
          title: 'No connection',
          detail: 'The cloud does not answer. Check this device’s connection and that the cloud is running.',
          code: 'network',
        },
        cause,
      );
    });
    if (!response.ok) {
      if (response.status === 401) this.#onUnauthorized();
      throw new ApiError(response.status, await readProblem(response));
    }
    return (response.status === 204 ? undefined : await response.json()) as Answer;
  }
}

/** A new Idempotency-Key. `crypto.randomUUID` is missing on plain http outside loopback. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Any failure in plain words. */
export function explain(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}

function inWords(status: number, problem: Problem): string {
  const { detail, issues = [], title, upnpCode, upnpDescription = '' } = problem;
  const words = [detail ?? title ?? `The cloud answered ${status}.`];
  if (issues.length > 0) words.push(issues.map((issue) => `${issue.at}: ${issue.message}`).join('; '));
  if (upnpCode !== undefined && !detail?.includes(String(upnpCode))) {
    words.push(`The phone said ${upnpCode}: ${upnpDescription}`);
  }
  return plainLine(words.join(' '));
}

async function readProblem(response: Response): Promise<Problem> {
  try {
    return (await response.json()) as Problem;
  } catch {
    // A proxy may answer with its own page.
    return { title: `The cloud answered ${response.status}` };
  }
}
