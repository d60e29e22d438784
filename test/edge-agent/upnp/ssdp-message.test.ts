// SSDP datagrams. Requirements D7–D12, Z19, quirks 1–5, 15.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countIn, maxAgeMs, parseSsdp, udnOfUsn, writeSsdp } from '../../../edge-agent/upnp/discovery/ssdp-message.ts';

const parse = (text: string) => parseSsdp(Buffer.from(text));
const headers = (text: string) => Object.fromEntries(parse(`NOTIFY * HTTP/1.1\r\n${text}\r\n\r\n`)?.headers ?? []);

describe('reading a datagram', () => {
  it('recognises the three kinds by their start line', () => {
    expect(parse('M-SEARCH * HTTP/1.1\r\n\r\n')?.kind).toBe('search');
    expect(parse('NOTIFY * HTTP/1.1\r\n\r\n')?.kind).toBe('notify');
    expect(parse('HTTP/1.1 200 OK\r\n\r\n')?.kind).toBe('answer');
    expect(parse('HTTP/1.1 200\r\n\r\n')?.kind).toBe('answer');
    expect(parse('HTTP/1.0 200 OK\r\n\r\n')?.kind).toBe('answer');
  });

  it.each([
    'HTTP/1.1 404 Not Found',
    'HTTP/1.1 2000 OK',
    'notify * HTTP/1.1',
    'NOTIFY / HTTP/1.1',
    'M-SEARCH * HTTP/1.0',
    'GET / HTTP/1.1',
    '',
    'hello',
  ])('drops a datagram that starts with "%s"', (line) => {
    expect(parse(`${line}\r\nA: b\r\n\r\n`)).toBeUndefined();
  });

  it('parses names in any case, with or without blanks, and keeps the case of values', () => {
    expect(headers('Location:http://A/\r\ncache-control :  max-age=5 \r\nEXT:')).toEqual({
      LOCATION: 'http://A/',
      'CACHE-CONTROL': 'max-age=5',
      EXT: '',
    });
  });

  it('lets the first of duplicates win (quirk 2)', () => {
    expect(headers('CACHE-CONTROL: max-age=1\r\nCache-Control: max-age=2')).toEqual({ 'CACHE-CONTROL': 'max-age=1' });
  });

  it('accepts LF or CR as line ends and needs no final blank line', () => {
    expect(parse('NOTIFY * HTTP/1.1\nNT: a\nUSN: b')?.headers).toEqual(
      new Map([
        ['NT', 'a'],
        ['USN', 'b'],
      ]),
    );
    expect(parse('NOTIFY * HTTP/1.1\rNT: a')?.headers.get('NT')).toBe('a');
  });

  it('drops a datagram with a line without colon or an invalid name (quirk 3)', () => {
    expect(parse('NOTIFY * HTTP/1.1\r\nNT: a\r\nbroken\r\n\r\n')).toBeUndefined();
    expect(parse('NOTIFY * HTTP/1.1\r\n: a\r\n\r\n')).toBeUndefined();
    expect(parse('NOTIFY * HTTP/1.1\r\nA B: c\r\n\r\n')).toBeUndefined();
  });

  it('drops a datagram that is too long, has too many headers or holds NUL', () => {
    expect(parse(`NOTIFY * HTTP/1.1\r\nA: ${'x'.repeat(5000)}\r\n\r\n`)).toBeUndefined();
    expect(
      parse(`NOTIFY * HTTP/1.1\r\n${Array.from({ length: 100 }, (_, i) => `A${i}: b\r\n`).join('')}\r\n`),
    ).toBeUndefined();
    expect(parse('NOTIFY * HTTP/1.1\r\nA: \0\r\n\r\n')).toBeUndefined();
  });

  it('keeps header names such as __proto__ as names', () => {
    const found = parse('NOTIFY * HTTP/1.1\r\n__proto__: a\r\nconstructor: b\r\n\r\n')?.headers;
    expect(found).toEqual(
      new Map([
        ['__PROTO__', 'a'],
        ['CONSTRUCTOR', 'b'],
      ]),
    );
  });

  it('never throws, whatever the bytes', () => {
    const start = fc.constantFrom('', 'NOTIFY * HTTP/1.1\r\n', 'HTTP/1.1 200 OK\r\n', 'M-SEARCH * HTTP/1.1\r\n');
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 300 }), (line, bytes) => {
        parseSsdp(Buffer.concat([Buffer.from(line), bytes]));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('writing a datagram', () => {
  const value = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
  const name = fc.stringMatching(/^[A-Z][A-Z.-]{0,20}$/);

  it('round-trips', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 20 }), (entries) => {
        const read = parseSsdp(writeSsdp('NOTIFY * HTTP/1.1', entries));
        expect([...(read?.headers ?? [])]).toEqual(entries);
      }),
    );
  });

  it('refuses line breaks, which would inject headers', () => {
    expect(() => writeSsdp('HTTP/1.1 200 OK', [['ST', 'a\r\nLOCATION: http://evil/']])).toThrow(RangeError);
    expect(() => writeSsdp('HTTP/1.1 200 OK\n', [])).toThrow(RangeError);
  });

  it('writes an empty header as name and colon', () => {
    expect(writeSsdp('HTTP/1.1 200 OK', [['EXT', '']]).toString()).toBe('HTTP/1.1 200 OK\r\nEXT:\r\n\r\n');
  });
});

describe('header values', () => {
  it.each([
    ['uuid:1::urn:x', 'uuid:1'],
    ['UUID:a-B::upnp:rootdevice', 'uuid:a-B'],
    ['uuid:iPod Dock', 'uuid:iPod Dock'],
    [' uuid:1 :: x', 'uuid:1'],
    ['[fe80::1]:3540', undefined],
    ['uuid:', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('extracts the UDN of USN %s', (usn, udn) => {
    expect(udnOfUsn(usn)).toBe(udn);
  });

  it.each([
    ['max-age=1800', 1_800_000],
    ['max-age = 120', 120_000],
    ['no-cache, MAX-AGE="900"', 900_000],
    ['max-age=0', 60_000],
    ['max-age=-1', 1_800_000],
    ['max-age=99999999999999999999', 1_800_000],
    ['', 1_800_000],
  ])('parses CACHE-CONTROL %s', (value, ms) => {
    expect(maxAgeMs(new Map([['CACHE-CONTROL', value]]))).toBe(ms);
  });

  it('falls back to EXPIRES minus DATE', () => {
    const dated = new Map([
      ['DATE', 'Sun, 22 Nov 2026 10:00:00 GMT'],
      ['EXPIRES', 'Sun, 22 Nov 2026 10:10:00 GMT'],
    ]);
    expect(maxAgeMs(dated)).toBe(600_000);
    expect(maxAgeMs(new Map([['EXPIRES', 'soon']]))).toBe(1_800_000);
  });

  it('parses a count as a 31-bit number or not at all', () => {
    const count = (text: string) => countIn(new Map([['BOOTID.UPNP.ORG', text]]), 'BOOTID.UPNP.ORG');
    expect(['0', '007', '2147483647'].map(count)).toEqual([0, 7, 2_147_483_647]);
    expect(['', '-1', '2147483648', '1.5', 'abc', '99999999999'].map(count)).toEqual(Array(6).fill(undefined));
  });
});
