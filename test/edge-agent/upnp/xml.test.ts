// XML: reading without coercion, writing without loss. Requirements X1–X17.
import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { decodeBytes } from '../../../edge-agent/upnp/xml/byte-text.ts';
import {
  childOf,
  element,
  escapeText,
  innerXml,
  parseXml,
  textOf,
  writeXml,
} from '../../../edge-agent/upnp/xml/xml.ts';
import { checkWellFormed } from '../../../edge-agent/upnp/xml/xml-form.ts';
import { isXmlText } from '../../../edge-agent/upnp/xml/xml-text.ts';

const fail = expect.objectContaining({ name: 'UpnpError', kind: 'malformed' });

describe('reading', () => {
  it('coerces nothing: numbers, booleans and blanks stay as written', () => {
    const values = ['+4915112345678', '007', '1e5', 'true', ' padded ', '0x10', '-1'];
    for (const value of values) expect(parseXml(`<a b="${value}">${value}</a>`).text).toBe(value);
    expect(parseXml('<a b=" 007 "/>').attributes.get('b')).toBe(' 007 ');
    expect(parseXml('<a><![CDATA[ 007 ]]></a>').text).toBe(' 007 ');
  });

  it('decodes references once, in text and attributes, but not in CDATA', () => {
    expect(parseXml('<a>&amp;lt; &#13;&#10;&#39;&#128512;&#x1F600;&quot;&apos;</a>').text).toBe("&lt; \r\n'😀😀\"'");
    expect(parseXml('<a b="&amp;amp;"/>').attributes.get('b')).toBe('&amp;');
    expect(parseXml('<a>&amp;<![CDATA[&amp;<b>]]>&amp;</a>').text).toBe('&&amp;<b>&');
  });

  it('normalises line ends and keeps a CR written as a reference', () => {
    expect(parseXml('<a>1\r\n2\r3&#13;\n</a>').text).toBe('1\n2\n3\r\n');
  });

  it('distinguishes elements by namespace and finds them by local name', () => {
    const root = parseXml('<x:a xmlns:x="urn:x" xmlns=" urn:d "><b/><x:b/><y:b/><b xmlns=""/></x:a>');
    expect([root, ...root.children].map((node) => [node.name, node.namespace])).toEqual([
      ['a', 'urn:x'],
      ['b', 'urn:d'],
      ['b', 'urn:x'],
      ['b', undefined],
      ['b', ''],
    ]);
  });

  it('keeps one entry and many entries in the same shape', () => {
    expect(parseXml('<l><m>1</m></l>').children.map((node) => node.text)).toEqual(['1']);
    expect(parseXml('<l><m>1</m><n/><m>2</m></l>').children.map((node) => node.name)).toEqual(['m', 'n', 'm']);
  });

  it('treats names such as toString as plain names', () => {
    const root = parseXml('<toString valueOf="1"><hasOwnProperty>2</hasOwnProperty></toString>');
    expect([root.name, root.attributes.get('valueOf'), root.children[0]?.name]).toEqual([
      'toString',
      '1',
      'hasOwnProperty',
    ]);
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      try {
        expect(parseXml(`<a><${name}>x</${name}></a>`).children[0]?.name).toBe(name);
      } catch (error) {
        expect(error).toEqual(fail);
      }
    }
    expect(({} as { x?: string }).x).toBeUndefined();
  });

  it('skips comments and processing instructions', () => {
    expect(parseXml('<!-- a --><?x y?><a>1<!-- <b> -->2<?php echo ?>3</a><!-- z -->').text).toBe('123');
  });

  it('finds a child by name and its trimmed text', () => {
    const root = parseXml('<a><b> x </b><c> </c></a>');
    expect([textOf(root, 'b'), textOf(root, 'c'), textOf(root, 'd'), childOf(root, 'b')?.text]).toEqual([
      'x',
      undefined,
      undefined,
      ' x ',
    ]);
  });

  it.each([
    ['an empty document', ''],
    ['no markup', 'hello'],
    ['a truncated element', '<a><b></a>'],
    ['an end that is cut off', '<s:Envelope><s:Body/></s:Envelop'],
    ['two roots', '<r/><q/>'],
    ['text after the root', '<r/>text'],
    ['an attribute twice', '<r a="1" a="2"/>'],
    ['an undefined entity', '<r>&nbsp;</r>'],
    ['a reference to no character', '<r>&#0;</r>'],
    ['a reference to a surrogate', '<r>&#xD800;</r>'],
    ['a reference beyond Unicode', '<r>&#x110000;</r>'],
    ['an upper-case X in a reference', '<r>&#X41;</r>'],
    ['a bare ampersand', '<r>a & b</r>'],
    ['a control character', '<r>\u0001</r>'],
    ['only a declaration', '<?xml version="1.0"?>'],
  ])('refuses %s', (_, source) => {
    expect(() => parseXml(source)).toThrow(fail);
  });

  it.each([
    ['in the prolog', '<!DOCTYPE r><r/>'],
    ['inside the root', '<r><!DOCTYPE x [<!ENTITY a "b">]>&a;</r>'],
    ['with an external entity', '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>'],
    ['after the root', '<r/><!DOCTYPE r>'],
    ['as a lone entity', '<!ENTITY a "b"><r/>'],
  ])('refuses a DOCTYPE %s, also when lenient', (_, source) => {
    expect(() => parseXml(source)).toThrow(fail);
    expect(() => parseXml(source, { lenient: true, root: 'r' })).toThrow(fail);
  });

  it('treats a DOCTYPE in CDATA or a comment as text', () => {
    expect(parseXml('<r><![CDATA[<!DOCTYPE html>]]><!-- <!DOCTYPE --></r>').text).toBe('<!DOCTYPE html>');
  });

  it('refuses an unexpected root', () => {
    expect(parseXml('<x:r xmlns:x="u"/>', { root: 'r' }).name).toBe('r');
    expect(() => parseXml('<html/>', { root: 'r' })).toThrow(fail);
  });

  it('caps length, depth and the number of elements', () => {
    expect(() => parseXml(`<a>${'x'.repeat(100)}</a>`, { maxChars: 50 })).toThrow(fail);
    expect(() => parseXml(Buffer.alloc(300 * 1024 * 4, 0x20))).toThrow(fail);
    expect(parseXml('<a>'.repeat(32) + '</a>'.repeat(32)).name).toBe('a');
    expect(() => parseXml('<a>'.repeat(40) + '</a>'.repeat(40))).toThrow(fail);
    expect(() => parseXml(`<a>${'<b/>'.repeat(60_000)}</a>`)).toThrow(fail);
  });
});

describe('well-formedness check', () => {
  const isFine = (text: string) => {
    try {
      checkWellFormed(text, 1000);
      return true;
    } catch {
      return false;
    }
  };
  const pieces = [
    '<a>',
    '</a>',
    '<b x="1">',
    '</b>',
    '<c/>',
    ' ',
    'x',
    '>',
    '<!-- - -->',
    '<![CDATA[<]]>',
    '<?p q?>',
    '<',
    '</',
    '/>',
    '"',
    "'",
    '=',
    'y="',
    "<d e = '\"' />",
    '-->',
    ']]>',
    '<!D>',
    '<é/>',
    '<1/>',
    '<a x="1" x="2"/>',
  ];

  it('passes nothing that a reference validator refuses', () => {
    let passed = 0;
    const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((list) => `<r>${list.join('')}</r>`);
    fc.assert(
      fc.property(soup, (text) => {
        if (!isFine(text)) return;
        passed++;
        expect(XMLValidator.validate(text)).toBe(true);
      }),
      { numRuns: 5000 },
    );
    expect(passed).toBeGreaterThan(100);
  });

  it('passes everything that we write', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const parts = {
      name: fc.constantFrom('a', 'b:c', '_d.e-f'),
      text,
      attributes: fc.dictionary(fc.constantFrom('g', 'h:i'), text),
    };
    const tree = fc.record({ ...parts, children: fc.array(fc.record(parts), { maxLength: 4 }) });
    fc.assert(fc.property(tree, (root) => isFine(writeXml(root, { declaration: true }))));
  });
});

describe('decoding bytes', () => {
  const text = '<?xml version="1.0"?><a>é€😀</a>';
  it.each([
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${text}`)],
    ['UTF-16 little-endian', Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 big-endian', Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
    ['UTF-16 without a byte order mark', Buffer.from(text, 'utf16le')],
    ['UTF-16 big-endian without a byte order mark', Buffer.from(text, 'utf16le').swap16()],
    ['UTF-8 that claims to be Latin-1', Buffer.from(text.replace('?>', ' encoding="ISO-8859-1"?>'))],
  ])('decodes %s', (_, bytes) => {
    expect(parseXml(bytes).text).toBe('é€😀');
  });

  it('falls back to the declaration, then the header, then Windows-1252', () => {
    const latin = (declaration: string) => Buffer.from(`${declaration}<a>\xe9\x80</a>`, 'latin1');
    expect(parseXml(latin('')).text).toBe('é€');
    expect(parseXml(latin('<?xml version="1.0" encoding="utf-8"?>')).text).toBe('é€');
    expect(parseXml(latin('<?xml version="1.0" encoding="no-such"?>')).text).toBe('é€');
    expect(parseXml(latin('<?xml version="1.0" encoding="iso-8859-7"?>')).text[0]).toBe('ι');
    expect(parseXml(latin(''), { charset: 'iso-8859-7' }).text[0]).toBe('ι');
  });

  it('never throws on any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof decodeBytes(bytes) === 'string'));
  });
});

describe('recovery of broken input', () => {
  it.each([
    ['garbage before the first tag', 'HTTP junk\n<r>x</r>', 'x'],
    ['blanks and NULs after the end (quirk 16)', '<r>x</r> \0\0\r\n', 'x'],
    ['a byte order mark (quirk 17)', '\ufeff<r>x</r>', 'x'],
    ['junk after the root (quirk 18)', '<r>x</r><!-- --></q> 1.0', 'x'],
    ['a bare ampersand (quirk 31)', '<r>R&B &amp; &#233; & more</r>', 'R&B & é & more'],
    ['an HTML entity', '<r>a&nbsp;b</r>', 'a&nbsp;b'],
    ['a NUL inside (quirk 49)', '<r>a\0b</r>', 'ab'],
    ['a reference to no character', '<r>a&#0;b</r>', 'ab'],
  ])('recovers from %s', (_, source, text) => {
    expect(parseXml(source, { lenient: true, root: 'r' }).text).toBe(text);
  });

  it('parses a whole document with declaration inside an element (quirk 32)', () => {
    const root = parseXml('<?xml version="1.0"?><r><v><?xml version="1.0"?><m xmlns="u">1</m></v></r>', {
      lenient: true,
    });
    expect(root.children[0]?.children[0]).toMatchObject({ name: 'm', namespace: 'u', text: '1' });
  });

  it('does not escape ampersands in CDATA', () => {
    expect(parseXml('<r>a & <![CDATA[b & c &amp;]]></r>', { lenient: true }).text).toBe('a & b & c &amp;');
  });

  it('throws the first error when no repair helps', () => {
    expect(() => parseXml('<r><p>x</r>', { lenient: true, root: 'r' })).toThrow(fail);
    expect(() => parseXml('', { lenient: true })).toThrow(fail);
  });
});

describe('writing', () => {
  it('escapes only what it must in text, and quotes in attributes', () => {
    expect(writeXml(element('a', `<&>"'`, { b: `<&>"'\t\n` }))).toBe(
      `<a b="&lt;&amp;&gt;&quot;'&#9;&#10;">&lt;&amp;&gt;"'</a>`,
    );
  });

  it('drops characters that XML cannot hold and keeps CR', () => {
    expect(escapeText('a\u0000\u0008\ufffe\ud800b\r\n\udc00')).toBe('ab'.replace('b', '\ufffdb&#13;\n\ufffd'));
  });

  it('refuses invalid names', () => {
    for (const name of ['r><x', 'a b', '', '1a', 'a:b:c', 'é', 'a\n', 'a=']) {
      expect(() => writeXml(element(name))).toThrow(RangeError);
      expect(() => writeXml(element('a', '', { [name]: '' }))).toThrow(RangeError);
    }
  });

  it('writes a UTF-8 declaration on request', () => {
    expect(writeXml(element('a'), { declaration: true })).toBe('<?xml version="1.0" encoding="utf-8"?><a/>');
  });

  it('round-trips any text without loss', () => {
    const xmlText = fc.string({ unit: 'binary', maxLength: 60 }).filter(isXmlText);
    fc.assert(
      fc.property(xmlText, xmlText, (text, attribute) => {
        const read = parseXml(writeXml(element('a', [element('b', text, { c: attribute })]), { declaration: true }));
        expect(read.children[0]?.text).toBe(text);
        expect(read.children[0]?.attributes.get('c')).toBe(attribute);
      }),
      { numRuns: 500 },
    );
  });

  it('writes a parseable document from any JavaScript string', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
        (text) => {
          expect(isXmlText(parseXml(writeXml(element('a', text, { b: text }))).text)).toBe(true);
        },
      ),
    );
  });

  it('serialises the content of an element as equivalent XML', () => {
    const source = '<v xmlns:p="u:p"> <p:m a="1&amp;2">x<b xmlns="u:b">y</b>z&#13;</p:m></v>';
    const again = parseXml(`<v>${innerXml(parseXml(source))}</v>`);
    expect(again.children).toEqual(parseXml(source).children);
    expect(innerXml(parseXml('<v>1 &lt; 2</v>'))).toBe('1 &lt; 2');
  });
});
