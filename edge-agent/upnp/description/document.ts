// Fetching one of a device's XML documents. Requirements S1, S2, C18.
import { UpnpError } from '../error.ts';
import type { Network } from '../network/network.ts';
import { parseXml, type XmlNode } from '../xml/xml.ts';
import { charsetOf } from '../xml/xml-text.ts';

export interface FetchedDocument {
  root: XmlNode;
  /** The URL that answered, after redirects. */
  url: string;
  /** The address that sent it. */
  remoteAddress: string;
}

const defaultDeadlineMs = 5000;

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default 5 s. */
  readonly deadlineMs?: number;
  readonly onConnectionLost?: () => void;
}

/**
 * Fetches and parses a document, whatever content type it claims.
 * @throws UpnpError refused with the HTTP status, unreachable, malformed
 */
export async function fetchDocument(
  network: Network,
  url: string,
  root: string,
  options: FetchOptions,
): Promise<FetchedDocument> {
  const { signal, deadlineMs = defaultDeadlineMs, onConnectionLost } = options;
  const answer = await network.request({
    method: 'GET',
    url,
    deadlineMs,
    ...(signal !== undefined && { signal }),
    ...(onConnectionLost !== undefined && { onConnectionLost }),
  });
  if (answer.status !== 200) {
    throw new UpnpError('refused', `The device answered HTTP status ${answer.status}`, { httpStatus: answer.status });
  }
  const charset = charsetOf(answer.headers.get('content-type'));
  const node = parseXml(answer.body, { root, lenient: true, ...(charset !== undefined && { charset }) });
  return { root: node, url: answer.url, remoteAddress: answer.remoteAddress };
}
