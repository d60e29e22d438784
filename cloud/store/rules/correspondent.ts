// One person, one key: the spellings of an address that reach the same phone or mailbox are one correspondent.
// Numbers by libphonenumber's rules, tel: RFC 3966, mailto: RFC 6068, sip: RFC 3261 §19.1, xmpp: RFC 5122.
import {
  type CountryCode,
  isSupportedCountry,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min';
import { oneLine } from '../../../protocol/text.ts';

/** Raise it when a rule below changes: upkeep then gives stored conversations new keys. */
export const rulesVersion = 1;

/** A longer text is no address; RFC 5321 §4.5.3.1 allows 320 characters for mail. */
const longestRead = 512;
/** Digits in any script, and what people and devices put between them. */
const numberLike = /^[+\uff0b]?[\p{Nd}\s().\-/\u2010-\u2015\u2212\uff0d]+$/u;
/** Shorter ones without a prefix are short codes, which mean something else in each network. */
const fewestDigits = 7;
const namedAddress = /^(?:[^<>]*)<([^<>]+)>$/;
const scheme = /^(tel|sms|smsto|mms|mmsto|callto|mailto|sip|sips|xmpp|im|pres):(?:\/\/)?(.+)$/i;
const mail = /^[^\s@<>]+@[^\s@<>]+$/;
/** How MMS writes a number: OMA-TS-MMS_ENC §8. */
const multimediaSuffix = /\/type=plmn$/i;

/** A cache by spelling: a household writes with few people, and parsing a number takes up to 0.2 ms. */
const known = new Map<string, string>();
const mostKnown = 10_000;

/**
 * The key of the person with this address. Texts that are not certainly an address are their own key: short codes,
 * names of senders, invalid numbers.
 * @param country ISO 3166-1 alpha-2, by which numbers without an international prefix are read
 */
export function correspondentOf(address: string, country?: string): string {
  const cacheKey = `${country ?? ''} ${address}`;
  let key = known.get(cacheKey);
  if (key === undefined) {
    key = keyOf(oneLine(address), country !== undefined && isSupportedCountry(country) ? country : undefined);
    if (known.size >= mostKnown) known.clear();
    known.set(cacheKey, key);
  }
  return key;
}

/** The country of an international number; undefined for any other address. */
export function countryOf(address: string): string | undefined {
  const key = correspondentOf(address);
  return key.startsWith('+') ? parsePhoneNumberFromString(key)?.country : undefined;
}

function keyOf(written: string, country: CountryCode | undefined): string {
  if (written.length > longestRead) return written;
  // Numbers copied from contacts are surrounded by invisible direction controls.
  const address = oneLine(written.replace(/\p{Cf}/gu, ''));
  return keyOfPlain(address, country) ?? written;
}

/** Undefined for a text that is not certainly an address. */
function keyOfPlain(address: string, country: CountryCode | undefined): string | undefined {
  const named = namedAddress.exec(address)?.[1]?.trim();
  // “Shop <3>” is a name. An angle bracket holds an address where it holds one of a known form.
  if (named !== undefined && (mail.test(named) || scheme.test(named) || isNamedNumber(named))) {
    return keyOfPlain(named, country);
  }
  const [, name, rest = ''] = scheme.exec(address) ?? [];
  switch (name?.toLowerCase()) {
    case undefined:
      break;
    case 'tel':
    case 'sms':
    case 'smsto':
    case 'mms':
    case 'mmsto':
    case 'callto':
      return telephoneKey(rest, country);
    case 'mailto': {
      const to = decoded(beforeAny(rest, '?'));
      return mail.test(to) ? mailKey(to) : undefined;
    }
    case 'sip':
    case 'sips':
      // `sips` is a secured way to the same person; parameters and headers do not name the person.
      return uriKey('sip', beforeAny(rest, ';?'));
    case 'xmpp':
      // A resource is a device of the same person.
      return uriKey('xmpp', beforeAny(rest, '/?;'));
    default:
      return uriKey(String(name).toLowerCase(), beforeAny(rest, '?;'));
  }
  if (mail.test(address)) return mailKey(address);
  const number = address.replace(multimediaSuffix, '');
  return isNumber(number.split(';', 1)[0] ?? '') ? telephoneKey(number, country) : undefined;
}

/** More than two digits: “I <3> you” holds no number. */
function isNamedNumber(text: string): boolean {
  return isNumber(text) && text.replace(/\P{Nd}/gu, '').length > 2;
}

function isNumber(text: string): boolean {
  return numberLike.test(text);
}

/** `rest`: the text after `tel:`, with its parameters. Undefined for a number that is not valid in all networks. */
function telephoneKey(rest: string, country: CountryCode | undefined): string | undefined {
  const [first = '', ...parameters] = decoded(beforeAny(rest, '?')).split(';');
  const parameter = (name: string) =>
    parameters.find((each) => each.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1);
  const context = parameter('phone-context');
  // A context of letters is a private network: its numbers are not those of the public one.
  if (context !== undefined && !/^\+[\d().-]+$/.test(context)) return undefined;
  const number = context === undefined || first.startsWith('+') ? first : `${context}${first}`;
  const key = isNumber(number) ? numberKey(number, country) : undefined;
  const extension = parameter('ext')?.replace(/[^\d]/g, '');
  return key === undefined || !extension ? key : `${key};ext=${extension}`;
}

function numberKey(text: string, country: CountryCode | undefined): string | undefined {
  const digits = [...text.normalize('NFKC')]
    .map(asciiDigit)
    .join('')
    .replace(/[^\d+]/g, '');
  const isInternational = digits.startsWith('+');
  if (!isInternational && digits.length < fewestDigits) return undefined;
  // Networks write the international prefix as 00, whatever their country dials.
  const readings = isInternational ? [digits] : [digits, ...(digits.startsWith('00') ? [`+${digits.slice(2)}`] : [])];
  for (const reading of readings) {
    const number = parsePhoneNumberFromString(reading, { ...(country && { defaultCountry: country }), extract: false });
    if (number === undefined) continue;
    // A number with a country code or a national prefix need only have the right length: the library's lists may lag
    // behind.
    const isPlain = reading.startsWith('+') || !number.nationalNumber.endsWith(reading);
    if (isPlain ? number.isPossible() : number.isValid() && !lacksPrefix(reading, number)) return number.number;
  }
  return undefined;
}

/** Where a trunk prefix 0 is dialled, a number without it is local to an area that the cloud does not know. */
function lacksPrefix(reading: string, { country, nationalNumber }: PhoneNumber): boolean {
  const prefixed = parsePhoneNumberFromString(`0${reading}`, {
    ...(country && { defaultCountry: country }),
    extract: false,
  });
  return prefixed?.nationalNumber === nationalNumber;
}

/** Digits of any script: an Arabic phone may write Arabic ones. */
function asciiDigit(character: string): string {
  if (!/\p{Nd}/u.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  // The ten digits of a script are contiguous in Unicode: the first is its zero.
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

/** Case does not matter: no consumer provider gives two mailboxes that differ in case alone. */
function mailKey(address: string): string {
  const at = address.lastIndexOf('@');
  return `${address.slice(0, at).normalize('NFC').toLowerCase()}@${domainKey(address.slice(at + 1))}`;
}

function uriKey(name: string, bare: string): string | undefined {
  const to = decoded(bare);
  return /^[^\s@]+(?:@[^\s@]+)?$/.test(to) ? `${name}:${to.includes('@') ? mailKey(to) : to.toLowerCase()}` : undefined;
}

/** `münchen.example` and `xn--mnchen-3ya.example` are the same domain. */
function domainKey(domain: string): string {
  const plain = domain.normalize('NFC').toLowerCase().replace(/\.$/, '');
  if (/^\p{ASCII}*$/u.test(plain)) return plain;
  return URL.canParse(`http://${plain}`) ? new URL(`http://${plain}`).hostname : plain;
}

function beforeAny(text: string, marks: string): string {
  const at = [...text].findIndex((character) => marks.includes(character));
  return at < 0 ? text : [...text].slice(0, at).join('');
}

function decoded(text: string): string {
  try {
    return oneLine(decodeURIComponent(text));
  } catch {
    return text;
  }
}
