// Input of hostile or broken devices: random text, misplaced markup, and valid samples with one mutation.
import fc from 'fast-check';

const anything = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
);

const pieces = [
  ...['<a>', '</a>', '<a/>', '<a b="c">', '<', '>', '/', '</', '/>', '"', "'", '=', ' ', '\r\n', '\0', '&', '&amp;'],
  ...['&#13;', '&#0;', '&#xD800;', '&#X41;', '&a;', '&#99999999999;', '<!--', '-->', '--', '<![CDATA[', ']]>', '<!'],
  ...[
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '<!ENTITY % d SYSTEM "file:///etc/passwd">',
    '<?xml version="1.0"?>',
    '<?',
    '?>',
  ],
  ...[
    '<s:Envelope xmlns:s="s"><s:Body>',
    '</s:Body></s:Envelope>',
    '<u:AResponse>',
    '<R>',
    'xmlns="',
    'xmlns:__proto__="x"',
  ],
  ...['<__proto__>', '<constructor/>', '<toString>', '<#text>', '<@_x>', '\ud800', '\ufeff', '😀', 'urn:a:service:B:1'],
  ...[
    'HTTP/1.1 200 OK\r\n',
    'NOTIFY * HTTP/1.1\r\n',
    'M-SEARCH * HTTP/1.1\r\n',
    'USN: uuid:',
    '::',
    'ST: ',
    'NT: ',
    ': ',
  ],
  ...[
    'LOCATION: http://',
    '[fe80::1%25eth0]',
    '127.0.0.1',
    ':99999',
    'MX: -1\r\n',
    'MAN: "ssdp:discover"\r\n',
    'max-age=',
  ],
];
const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((list) => Buffer.from(list.join('')));

/** A sample with a part removed, duplicated or replaced. */
function spoilt(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.constantFrom(...samples), fc.nat(), fc.nat({ max: 40 }), fc.constantFrom('cut', 'double', 'put'), soup)
    .map(([sample, at, length, how, other]) => {
      const from = sample.length === 0 ? 0 : at % sample.length;
      const [head, part, tail] = [
        sample.subarray(0, from),
        sample.subarray(from, from + length),
        sample.subarray(from + length),
      ];
      const middle = { cut: [], double: [part, part], put: [other.subarray(0, 60)] }[how];
      return Buffer.concat([head, ...middle, tail]);
    });
}

export function hostile(...samples: readonly string[]): fc.Arbitrary<Buffer> {
  return fc.oneof(anything, soup, spoilt(samples.map((sample) => Buffer.from(sample))));
}
