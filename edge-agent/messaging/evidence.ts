// Decides whether a listed message is a known one, by text, sender, time, recipients and class, which a fingerprint
// stores. docs/decisions/0011-identity-by-evidence.md has the table of cases.
import { hash } from 'node:crypto';
import { messageClasses, messageFolders } from '../../protocol/actions.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { unknownTime } from './profile.ts';

/**
 * Compares a listed message with a known one of the same identifier.
 * - `same`: the same message, changed or not.
 * - `likely`: the same, unless other messages in the list show a reset of the phone.
 * - `doubtful`: the same only if nothing in the complete list indicates a reset.
 * - `different`: not the same, but no proof of a reset either.
 * - `other`: certainly another message.
 */
export type Match = 'same' | 'likely' | 'doubtful' | 'different' | 'other';

/** The evidence in a message. Empty strings: the message does not say. */
export interface Evidence {
  /** Digest of the content. */
  readonly text: string;
  /** Epoch milliseconds. */
  readonly timeMs: number | undefined;
  /** Kind (`n` number, `a` address, `t` name, empty: none) and digest. */
  readonly sender: string;
  readonly senderName: string;
  readonly recipients: string;
  readonly messageClass: PhoneMessage['messageClass'] | undefined;
  readonly folder: PhoneMessage['folder'] | undefined;
  readonly isRead: boolean;
}

const version = '2';
const textChars = 11;
const partyChars = 6;

/** The evidence and a digest of the whole message, in at most 64 characters. */
export function fingerprintOf(message: PhoneMessage): string {
  return write(messageEvidenceOf(message), digestOf(message));
}

/** A listed message. Computes the evidence lazily: most messages are unchanged and only need the digest. */
export class SeenMessage {
  readonly message: PhoneMessage;
  readonly #digest: string;
  #evidence: Evidence | undefined;

  constructor(message: PhoneMessage) {
    this.message = message;
    this.#digest = digestOf(message);
  }

  get evidence(): Evidence {
    this.#evidence ??= messageEvidenceOf(this.message);
    return this.#evidence;
  }

  get fingerprint(): string {
    return write(this.evidence, this.#digest);
  }

  /** Whether the message is unchanged since the fingerprint was made. */
  hasFingerprint(fingerprint: string): boolean {
    return fingerprint.startsWith(version) && fingerprint.endsWith(`.${this.#digest}`);
  }
}

function digestOf(message: PhoneMessage): string {
  return digest(textChars, JSON.stringify(message));
}

/** For a message being sent: its time is unknown, and the phone will add to it. */
export function fingerprintOfSend(message: PhoneMessage): string {
  return write(
    { ...messageEvidenceOf(message), timeMs: undefined, sender: '', senderName: '', folder: 'Outgoing' },
    '',
  );
}

export function messageEvidenceOf(message: PhoneMessage): Evidence {
  const { from, folder, messageClass, status } = message;
  return {
    text: textOf(message),
    // Phones set the time when the message is sent.
    timeMs: folder === 'Outgoing' || message.time === unknownTime ? undefined : Date.parse(message.time),
    sender: partyOf(from.address),
    senderName: nameOf(from.displayName ?? ''),
    recipients: recipientsOf(message),
    messageClass,
    folder,
    isRead: status === 'Read',
  };
}

/** Undefined for a fingerprint without evidence, or in the previous format. */
export function readFingerprint(fingerprint: string): Evidence | undefined {
  const [head, text = '', time = '', sender = '', senderName = '', recipients = '', marks = ''] =
    fingerprint.split('.');
  if (head !== version) return undefined;
  return {
    text,
    timeMs: time === '' ? undefined : Number.parseInt(time, 36),
    sender,
    senderName,
    recipients,
    messageClass: messageClasses[Number(marks[0])],
    folder: messageFolders[Number(marks[1])],
    isRead: marks[2] === '1',
  };
}

/**
 * The fingerprint prefix of the same message under another identifier; undefined when the message says too little to be
 * recognised. `isTimeless` is for a send whose time the phone has not stated.
 */
export function twinPrefix({ text, timeMs }: Evidence, isTimeless = false): string | undefined {
  if (text === '') return undefined;
  if (isTimeless) return `${version}.${text}..`;
  return timeMs === undefined ? undefined : `${version}.${text}.${timeMs.toString(36)}.`;
}

/** Whether a message under a new identifier is the known one, given equal text and time: the rest must not differ. */
export function isTwin(known: Evidence, seen: Evidence): boolean {
  return (
    known.messageClass === seen.messageClass &&
    sendersOf(known, seen) !== 'different' &&
    areCompatible(known.recipients, seen.recipients)
  );
}

export function isSameMessage(judgement: Match): boolean {
  return judgement === 'same' || judgement === 'likely' || judgement === 'doubtful';
}

/** Compares a message with the fingerprint of the one known under its identifier. */
export function compareEvidence(known: string, message: PhoneMessage, seen = messageEvidenceOf(message)): Match {
  if (known === '') return message.folder === 'Received' ? 'different' : 'likely';
  const before = readFingerprint(known);
  return before === undefined ? judgeLegacy(known, message) : compare(before, seen);
}

function compare(before: Evidence, seen: Evidence): Match {
  const isEmpty = before.text === '' || seen.text === '';
  const isSameText = !isEmpty && before.text === seen.text;
  const senders = sendersOf(before, seen);
  const isPossibleSender = senders !== 'different';
  switch (timesOf(before.timeMs, seen.timeMs)) {
    case 'same':
      // The text was decoded better, or the body was fetched later.
      if (isSameText || senders === 'same') return 'same';
      if (isEmpty) return isPossibleSender ? 'likely' : 'different';
      return isPossibleSender ? 'different' : 'other';
    case 'rounded':
      if (isSameText) return isPossibleSender ? 'same' : 'different';
      if (isEmpty && senders === 'same') return 'likely';
      return isEmpty ? 'different' : 'other';
    case 'unknown':
      if (isSameText && isPossibleSender && areCompatible(before.recipients, seen.recipients)) return 'likely';
      if (isEmpty && senders === 'same') return 'likely';
      return isEmpty || isSameText ? 'different' : senders === 'same' ? 'different' : 'other';
    case 'shifted':
      if (isSameText) return isPossibleSender ? 'likely' : 'different';
      if (isEmpty && senders === 'same') return 'likely';
      return isEmpty ? 'different' : 'other';
    case 'different':
      if (isSameText && senders === 'same' && areCompatible(before.recipients, seen.recipients)) return 'doubtful';
      return isEmpty || isSameText ? 'different' : 'other';
  }
}

/** Whether the message is unchanged since the fingerprint was made. */
export function isUnchanged(known: string, message: PhoneMessage, fingerprint: string): boolean {
  if (isLegacy(known)) return known === legacyFingerprintOf(message);
  return known === fingerprint || (known !== '' && known.endsWith(fingerprint.slice(-textChars)));
}

/** A list may contain less of a message than is known; the known text and time are kept. */
export function mergeFingerprints(known: string, fingerprint: string): string {
  const [before, seen] = [readFingerprint(known), readFingerprint(fingerprint)];
  if (before === undefined || seen === undefined) return fingerprint;
  if ((seen.text !== '' || before.text === '') && (seen.timeMs !== undefined || before.timeMs === undefined)) {
    return fingerprint;
  }
  const merged = { ...seen, text: seen.text || before.text, timeMs: seen.timeMs ?? before.timeMs };
  return write(merged, fingerprint.slice(-textChars));
}

/** `sender.time.all` as earlier agents wrote it; the digests only show equality. */
export function legacyFingerprintOf(message: PhoneMessage): string {
  const settled = message.folder !== 'Outgoing' && message.time !== unknownTime;
  return [legacySender(message), settled ? legacyTime(message.time) : '', legacyDigest(15, message)].join('.');
}

function isLegacy(fingerprint: string): boolean {
  return fingerprint !== '' && !fingerprint.startsWith(`${version}.`);
}

function judgeLegacy(known: string, message: PhoneMessage): Match {
  const [sender = '', time = ''] = known.split('.');
  const isSameSender = [message.messageClass, ...messageClasses].some(
    (messageClass) => legacySender({ ...message, messageClass }) === sender,
  );
  const seen = messageEvidenceOf(message);
  if (time === '' || seen.timeMs === undefined) return isSameSender ? 'likely' : 'different';
  if (time === legacyTime(message.time)) return isSameSender ? 'same' : 'likely';
  if (!isSameSender) return 'other';
  const { timeMs } = seen;
  for (let quarters = -maxShiftQuarters; quarters <= maxShiftQuarters; quarters++) {
    const shifted = new Date(timeMs + quarters * quarterMs);
    if (!Number.isNaN(shifted.getTime()) && legacyTime(shifted.toISOString()) === time) return 'likely';
  }
  return 'other';
}

function legacySender({ messageClass, from }: PhoneMessage): string {
  return legacyDigest(10, messageClass, from.address);
}

function legacyTime(time: string): string {
  return legacyDigest(6, time);
}

function legacyDigest(bytes: number, ...parts: unknown[]): string {
  return hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, bytes).toString('base64url');
}

/** Zones and daylight saving differ by quarters of an hour, and by at most 14 h within a household. */
const quarterMs = 15 * 60_000;
const maxShiftQuarters = 14 * 4;
const minuteMs = 60_000;
/** An unset phone clock says 1970, 1980 or 1999; a broken one says a far future. */
const earliestMs = Date.UTC(2000, 0, 1);
const latestMs = Date.UTC(2100, 0, 1);

function timesOf(
  before: number | undefined,
  seen: number | undefined,
): 'same' | 'rounded' | 'shifted' | 'different' | 'unknown' {
  if (before === undefined || seen === undefined) return 'unknown';
  if (before === seen) return 'same';
  const quarters = Math.round((seen - before) / quarterMs);
  const restMs = Math.abs(seen - before - quarters * quarterMs);
  const isWhole = (unitMs: number) => before % unitMs === 0 || seen % unitMs === 0;
  const isRounded = restMs === 0 || (restMs < 1000 && isWhole(1000)) || (restMs < minuteMs && isWhole(minuteMs));
  if (isRounded && quarters === 0) return 'rounded';
  if (isRounded && Math.abs(quarters) <= maxShiftQuarters) return 'shifted';
  // The phone's clock was unset and then set. If neither time is possible, they prove nothing.
  return isPossible(before) === isPossible(seen) ? 'different' : 'shifted';
}

function isPossible(timeMs: number): boolean {
  return timeMs >= earliestMs && timeMs < latestMs;
}

/** `renamed`: a contact's name replaced a number, or one of them is missing. */
function sendersOf(before: Evidence, seen: Evidence): 'same' | 'renamed' | 'different' {
  if (before.sender === seen.sender) return 'same';
  const isNamed = (party: string, name: string) => party.startsWith('t') && party.slice(1) === name && name !== '';
  if (isNamed(before.sender, seen.senderName) || isNamed(seen.sender, before.senderName)) return 'same';
  const [kind = '', other = ''] = [before.sender[0], seen.sender[0]];
  if (kind === '' || other === '') return 'renamed';
  return kind !== other && (kind === 't' || other === 't') ? 'renamed' : 'different';
}

function areCompatible(before: string, seen: string): boolean {
  return before === '' || seen === '' || before === seen;
}

/**
 * Numbers are compared by their last six digits: a phone may add a country code, write 00 for the plus, or omit both. Six is
 * the length of the shortest national numbers that a household's correspondents have.
 */
const comparedDigits = 6;

export function partyOf(address: string): string {
  const plain = (/<([^<>]+)>\s*$/.exec(address)?.[1] ?? address)
    .trim()
    .replace(/^(tel|sms|smsto|mms|mailto):/i, '')
    .replace(/[\p{Cf}]/gu, '');
  if (plain === '') return '';
  const digits = plain.replace(/\D/g, '');
  if (digits !== '' && /^[+\d\s()./-]+$/.test(plain)) return `n${digest(partyChars, digits.slice(-comparedDigits))}`;
  return `${plain.includes('@') ? 'a' : 't'}${nameOf(plain)}`;
}

function nameOf(name: string): string {
  const plain = name.trim().normalize('NFC').toLowerCase();
  return plain === '' ? '' : digest(partyChars, plain);
}

export function recipientsOf({ to }: Pick<PhoneMessage, 'to'>): string {
  const parties = to.map(({ address }) => partyOf(address)).filter((party) => party !== '');
  return parties.length === 0 ? '' : digest(partyChars, parties.sort().join());
}

/** Surrounding blanks and line break style are ignored; a message without text is recognised by its files. */
function textOf({ body, subject = '', attachments, bodyOmitted }: PhoneMessage): string {
  const plain = bodyOmitted === true ? '' : body.replaceAll('\r\n', '\n').trim().normalize('NFC');
  if (plain !== '') return digest(textChars, `b${plain}`);
  if (bodyOmitted === true) return '';
  if (attachments.length > 0) {
    return digest(textChars, `a${JSON.stringify(attachments.map(({ name, sizeBytes }) => [name, sizeBytes]))}`);
  }
  return subject.trim() === '' ? '' : digest(textChars, `s${subject.trim()}`);
}

function write(evidence: Evidence, all: string): string {
  const { text, timeMs, sender, senderName, recipients, messageClass, folder, isRead } = evidence;
  const marks = [
    messageClass === undefined ? '-' : messageClasses.indexOf(messageClass),
    folder === undefined ? '-' : messageFolders.indexOf(folder),
    isRead ? 1 : 0,
  ].join('');
  return [version, text, timeMs?.toString(36) ?? '', sender, senderName, recipients, marks, all].join('.');
}

function digest(chars: number, text: string): string {
  return hash('sha256', text, 'base64url').slice(0, chars);
}
