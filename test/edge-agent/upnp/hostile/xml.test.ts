// Hostile and harmless-but-odd documents, read by every XML reader. Requirements X4, X5, X16, Z15, Z20.
import { describe, expect, it } from 'vitest';
import { readActionAnswer, readActionRequest, readFault } from '../../../../edge-agent/upnp/control/soap-envelope.ts';
import { UpnpError } from '../../../../edge-agent/upnp/error.ts';
import { readPropertySet } from '../../../../edge-agent/upnp/eventing/gena-event.ts';
import { parseXml } from '../../../../edge-agent/upnp/xml/xml.ts';
import { withinASecond } from '../../../fixtures/upnp/processor-time.ts';

const readers: Record<string, (source: string) => unknown> = {
  'as it stands': (source) => parseXml(source),
  leniently: (source) => parseXml(source, { lenient: true, root: 'r' }),
  'as an answer': (source) => readActionAnswer(source, 'A'),
  'as a request': (source) => readActionRequest(source),
  'as a fault': (source) => readFault(source),
  'as an event': (source) => readPropertySet(Buffer.from(source), undefined),
};

/** Reads with every reader; only UpnpError may be thrown. */
function readAll(source: string): void {
  for (const read of Object.values(readers)) {
    try {
      withinASecond(() => read(source));
    } catch (error) {
      if (!(error instanceof UpnpError)) throw error;
    }
  }
}

const refused = (source: string, options = {}) =>
  expect(() => parseXml(source, options)).toThrow(expect.objectContaining({ kind: 'malformed' }));
const good = () => expect(parseXml('<r>x</r>').text).toBe('x');

describe('a declaration', () => {
  it.each([
    ['in the prolog', '<!DOCTYPE r><r>x</r>'],
    ['inside the root', '<r><!DOCTYPE a>x</r>'],
    ['with an internal subset', '<!DOCTYPE r [<!ELEMENT r ANY>]><r>x</r>'],
    ['with a file', '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>'],
    ['with an address', '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><r>x</r>'],
    ['with a parameter entity', '<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1:9/"> %a;]><r>x</r>'],
    ['of a long entity, used often', `<!DOCTYPE r [<!ENTITY a "${'x'.repeat(9999)}">]><r>${'&a;'.repeat(60_000)}</r>`],
    ['of entities in entities', `<!DOCTYPE r [<!ENTITY a "x">${entitiesInEntities(20)}]><r>&a20;</r>`],
    ['in small letters', '<!doctype r><r>x</r>'],
    ['behind a byte order mark', '\ufeff<!DOCTYPE r><r>x</r>'],
    ['behind garbage', 'junk <!DOCTYPE r><r>x</r>'],
  ])('%s is refused by every reader, lenient ones included', (_, source) => {
    refused(source);
    refused(source, { lenient: true, root: 'r' });
    readAll(source);
    good();
  });

  it('in an SMS stays plain text', () => {
    expect(parseXml('<r><![CDATA[<!DOCTYPE html> & <b>]]></r>').text).toBe('<!DOCTYPE html> & <b>');
    expect(parseXml('<r>&lt;!DOCTYPE html&gt;</r>').text).toBe('<!DOCTYPE html>');
  });
});

function entitiesInEntities(count: number): string {
  return Array.from({ length: count }, (_, at) => `<!ENTITY a${at + 1} "${`&a${at || ''};`.repeat(10)}">`).join('');
}

describe('a reference', () => {
  it.each(['&#0;', '&#8;', '&#xD800;', '&#xDFFF;', '&#x110000;', '&#xFFFF;', '&#X41;', '&nbsp;', '&a;', '&#;', '&#x;'])(
    '%s is refused when strict and harmless when lenient',
    (reference) => {
      refused(`<r>${reference}</r>`);
      expect(parseXml(`<r>a${reference}b</r>`, { lenient: true }).text).toMatch(/^a(&\S+;)?b$/);
    },
  );
});

/** A reader that copies the inherited prefixes per element takes quadratic time. */
function manyPrefixes(count: number): string {
  const declared = Array.from({ length: count }, (_, at) => `xmlns:a${at}=""`).join(' ');
  return `<r ${declared}>${'<m xmlns=""/>'.repeat(count)}</r>`;
}

describe('a large document', () => {
  it.each([
    ['half a million escaped ampersands', `<r>${'&amp;'.repeat(50_000)}</r>`],
    ['a depth of 33', '<a>'.repeat(33) + '</a>'.repeat(33)],
    ['a depth of 200', '<a>'.repeat(200) + '</a>'.repeat(200)],
    ['a depth of 50,000', '<a>'.repeat(50_000) + '</a>'.repeat(50_000)],
    ['200,000 siblings', `<r>${'<a/>'.repeat(200_000)}</r>`],
    ['50,000 attributes', `<r ${Array.from({ length: 50_000 }, (_, at) => `a${at}=""`).join(' ')}/>`],
    ['4,000 prefixes, and 4,000 elements with one more each', manyPrefixes(4_000)],
    ['a name of a mebibyte', `<${'a'.repeat(1024 * 1024)}/>`],
    ['a flood of unclosed tags', '<a '.repeat(80_000)],
    ['a flood of unclosed quotes', `<r a="${'"'.repeat(200_000)}`],
    ['a flood of unclosed CDATA', '<![CDATA['.repeat(25_000)],
    ['a flood of brackets', ']]>'.repeat(80_000)],
    ['a flood of blanks between attributes', `<r a="1"${' '.repeat(250_000)}b="2"/>`],
    ['a flood of line ends', `<r>${'\r'.repeat(250_000)}</r>`],
    ['ten megabytes', `<r>${'x'.repeat(10_000_000)}</r>`],
  ])('with %s is parsed or refused within a second, and the next document is parsed', (_, source) => {
    readAll(source);
    good();
  });
});

describe('an odd document', () => {
  it.each([
    ['`]]>` in text', '<r>a]]>b</r>', 'a]]>b'],
    ['an envelope’s end in CDATA', '<r><![CDATA[</s:Envelope></r>]]></r>', '</s:Envelope></r>'],
    ['an instruction in the body', '<r>a<?php echo ?>b</r>', 'ab'],
    ['a comment in the body', '<r>a<!-- </r> -->b</r>', 'ab'],
    ['a comment with two hyphens', '<r>a<!-- -- -->b</r>', 'ab'],
    ['text in two CDATA sections', '<r><![CDATA[a]]><![CDATA[b]]></r>', 'ab'],
  ])('with %s is parsed', (_, source, text) => {
    expect(parseXml(source).text).toBe(text);
    readAll(source);
  });

  it.each([
    ['two roots', '<r/><r/>'],
    ['text before the root', 'x<r/>'],
    ['text after the root', '<r/>x'],
    ['an attribute twice', '<r a="1" a="2"/>'],
    ['an attribute without quotes', '<r a=1/>'],
    ['an unclosed tag', '<r><a></r>'],
    ['an end that was cut off', '<r>x</'],
    ['a NUL', '<r>\0</r>'],
    ['a control character', '<r>\u0008</r>'],
    ['a lone surrogate', '<r>\ud800</r>'],
    ['a number for a name', '<1/>'],
    ['`#text` for a name', '<r><#text>x</#text></r>'],
    ['`@_x` for a name', '<r><@_x>x</@_x></r>'],
  ])('with %s is refused', (_, source) => {
    refused(source);
    readAll(source);
    good();
  });

  it.each(['toString', 'hasOwnProperty', 'valueOf', '__proto__', 'constructor', 'prototype'])(
    'with elements named %s does not touch prototypes',
    (name) => {
      readAll(`<r><${name}><polluted>1</polluted></${name}></r>`);
      readAll(`<r ${name}="1" xmlns:${name}="2"/>`);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      expect(Object.keys(Object.prototype)).toEqual([]);
      good();
    },
  );
});
