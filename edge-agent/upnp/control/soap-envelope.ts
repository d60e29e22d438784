// SOAP envelopes of UPnP: UPnP Device Architecture 2.0 §3.2. Requirements C4–C6, C9–C14, H17.
import { UpnpError } from '../error.ts';
import {
  childOf,
  defaultMaxChars,
  element,
  innerXml,
  parseXml,
  textOf,
  writeXml,
  type XmlElement,
  type XmlNode,
} from '../xml/xml.ts';

/** Argument names and values, in SCPD order. */
export type ActionArguments = readonly (readonly [string, string])[];

export interface ActionRequest {
  action: string;
  /** The namespace of the action element: the service type, if the peer wrote it correctly. */
  serviceType: string | undefined;
  /** As received; the service judges order, repetitions and spelling. */
  arguments: ActionArguments;
}

export interface SoapFault {
  /** Undefined when the fault holds no UPnPError with a number. */
  code: number | undefined;
  description: string;
}

export interface EnvelopeOptions {
  charset?: string | undefined;
  maxChars?: number;
}

const envelopeNamespace = 'http://schemas.xmlsoap.org/soap/envelope/';
const controlNamespace = 'urn:schemas-upnp-org:control-1-0';

/** Writes a request. Envelope and action are prefixed, arguments are not: devices refused everything else (C4, C5). */
export function writeActionRequest(serviceType: string, action: string, args: ActionArguments): string {
  return writeEnvelope(element(`u:${action}`, args.map(toElement), { 'xmlns:u': serviceType }));
}

/** Writes an answer. */
export function writeActionAnswer(serviceType: string, action: string, args: ActionArguments): string {
  return writeEnvelope(element(`u:${action}Response`, args.map(toElement), { 'xmlns:u': serviceType }));
}

/** Writes a fault, to be sent with HTTP status 500. */
export function writeFault(code: number, description: string): string {
  const upnpError = element(
    'UPnPError',
    [element('errorCode', String(code)), element('errorDescription', description)],
    {
      xmlns: controlNamespace,
    },
  );
  return writeEnvelope(
    element('s:Fault', [
      element('faultcode', 's:Client'),
      element('faultstring', 'UPnPError'),
      element('detail', [upnpError]),
    ]),
  );
}

function writeEnvelope(content: XmlElement): string {
  const body = element('s:Body', [content]);
  const attributes = { 'xmlns:s': envelopeNamespace, 's:encodingStyle': 'http://schemas.xmlsoap.org/soap/encoding/' };
  return writeXml(element('s:Envelope', [body], attributes), { declaration: true });
}

function toElement([name, value]: readonly [string, string]): XmlElement {
  return element(name, value);
}

/** @throws UpnpError malformed */
export function readActionRequest(source: string | Uint8Array, options: EnvelopeOptions = {}): ActionRequest {
  const [action] = readBody(source, options).children;
  if (action === undefined) throw new UpnpError('malformed', 'The SOAP body is empty');
  const args = action.children.map((argument) => [argument.name, argumentValue(argument)] as const);
  return { action: action.name, serviceType: action.namespace, arguments: args };
}

/**
 * Reads the out arguments by name, as the device wrote them; the first of duplicates counts.
 * @throws UpnpError refused for a fault, whatever the HTTP status (C9); malformed
 */
export function readActionAnswer(
  source: string | Uint8Array,
  action: string,
  options: EnvelopeOptions = {},
): ReadonlyMap<string, string> {
  const body = readBody(source, options);
  const fault = faultIn(body);
  if (fault !== undefined) throw refusal(action, fault);
  // Match by local name only: prefixes, versions and namespaces are often wrong (C10).
  const wanted = `${action}Response`.toLowerCase();
  const answer = body.children.find((child) => child.name.toLowerCase() === wanted);
  if (answer === undefined) throw new UpnpError('malformed', `The SOAP body holds no ${action}Response`);
  const values = new Map<string, string>();
  for (const argument of answer.children) {
    if (!values.has(argument.name)) values.set(argument.name, argumentValue(argument));
  }
  return values;
}

/** Reads a fault; undefined when there is none or the document cannot be parsed. */
export function readFault(source: string | Uint8Array, options: EnvelopeOptions = {}): SoapFault | undefined {
  try {
    return faultIn(readBody(source, options));
  } catch (error) {
    if (error instanceof UpnpError) return undefined;
    throw error;
  }
}

/** A fault as the UpnpError for the action's caller. */
export function refusal(action: string, fault: SoapFault, httpStatus?: number): UpnpError {
  const code = fault.code === undefined ? 'no UPnP code' : `code ${fault.code}`;
  return new UpnpError('refused', `The device refused ${action} with ${code}`, {
    upnpCode: fault.code,
    upnpDescription: fault.description,
    httpStatus,
  });
}

/** An argument by name; ignores case when the exact name is missing (C11). */
export function argumentOf(values: ReadonlyMap<string, string>, name: string): string | undefined {
  const exact = values.get(name);
  if (exact !== undefined) return exact;
  const wanted = name.toLowerCase();
  for (const [found, value] of values) if (found.toLowerCase() === wanted) return value;
  return undefined;
}

/** An argument's text; an unescaped inner document is serialised (C13). */
export function argumentValue(node: XmlNode): string {
  return node.children.length === 0 ? node.text : innerXml(node);
}

function readBody(source: string | Uint8Array, options: EnvelopeOptions): XmlNode {
  const envelope = parseXml(source, {
    root: 'Envelope',
    lenient: true,
    maxChars: options.maxChars ?? defaultMaxChars,
    ...(options.charset !== undefined && { charset: options.charset }),
  });
  const body = childOf(envelope, 'Body');
  if (body === undefined) throw new UpnpError('malformed', 'The SOAP envelope has no body');
  return body;
}

function faultIn(body: XmlNode): SoapFault | undefined {
  const fault = childOf(body, 'Fault');
  if (fault === undefined) return undefined;
  const detail = descendantOf(fault, 'UPnPError');
  const code = detail === undefined ? undefined : textOf(detail, 'errorCode');
  return {
    code: code !== undefined && /^\d{1,5}$/.test(code) ? Number(code) : undefined,
    description: (detail && textOf(detail, 'errorDescription')) ?? textOf(fault, 'faultstring') ?? '',
  };
}

function descendantOf(node: XmlNode, name: string): XmlNode | undefined {
  for (const child of node.children) {
    const found = child.name === name ? child : descendantOf(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
