// The seam to the LAN: its interfaces and one HTTP request. Everything that talks to a device is handed a Network.
import type { LocalInterface } from './address.ts';

export { type LocalInterface, listInterfaces } from './address.ts';

export interface HttpRequest {
  method: string;
  url: string;
  /** In this order and spelling on the wire: some devices match them by case (C1). Host and Content-Length are added. */
  headers?: readonly (readonly [string, string])[];
  body?: string;
  /** For the whole of it: waiting for a turn, connecting, the answer's last byte. */
  deadlineMs: number;
  /** 5000 unless told. */
  connectTimeoutMs?: number;
  signal?: AbortSignal;
  /** 512 KiB unless told; a longer answer is an error. */
  maxBodyBytes?: number;
  /** Never a reused connection and never a second attempt: for what must not be done twice (C15). */
  fresh?: boolean;
  /** One at a time per device, in order of asking (C17). */
  inTurn?: boolean;
  /** The only address allowed, such as the one that LOCATION had (Z5). */
  peer?: string;
}

export interface HttpAnswer {
  status: number;
  /** By lower-case name. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
  /** False when the connection ended before the announced length: the reader judges whether it has enough (quirk 52). */
  complete: boolean;
  /** The address of ours that reached the device. */
  localAddress: string;
  remoteAddress: string;
}

export interface Network {
  interfaces(): LocalInterface[];
  /** @throws UpnpError unreachable or malformed, with the outcome; any HTTP status is an answer, not an error */
  request(request: HttpRequest): Promise<HttpAnswer>;
}
