import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeCloudFrame, decodeEdgeFrame } from '../../protocol/codec.ts';
import { tunnelFeatures } from '../../protocol/features.ts';
import { closeCodes, cloudFrameSchema, edgeEventSchema, edgeFrameSchema } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';

const specification = readFileSync(new URL('../../protocol/README.md', import.meta.url), 'utf8');
const typesOf = (schema: { options: readonly { shape: { type: { value: string } } }[] }) =>
  schema.options.map((option) => option.shape.type.value);
/** The lines of the code blocks of a language. */
const examples = (language: string) =>
  [...specification.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].flatMap((match) =>
    (match[1] ?? '').trim().split('\n'),
  );

describe('the specification of the tunnel', () => {
  it.each([...typesOf(edgeFrameSchema), ...typesOf(cloudFrameSchema), ...typesOf(edgeEventSchema)])(
    'tells of %s',
    (type) => {
      expect(specification.includes(`\`${type}\``)).toBe(true);
    },
  );

  it.each(Object.entries(closeCodes))('tells of the close code %s', (_, code) => {
    expect(specification.includes(String(code))).toBe(true);
  });

  it.each(tunnelFeatures)('tells of the feature %s', (name) => {
    expect(specification.includes(`| \`${name}\` |`)).toBe(true);
  });

  it.each(Object.entries(limits))('tells the limit %s as it is', (name, value) => {
    expect(specification.includes(`| \`${name}\` | ${value.toLocaleString('en')} |`)).toBe(true);
  });

  it('shows only frames of the agent that are valid', () => {
    const given = examples('edge');
    expect(given.length).toBeGreaterThan(5);
    for (const line of given) {
      const frame = decodeEdgeFrame(line);
      if (frame.type === 'events') for (const { event } of frame.events) edgeEventSchema.parse(event);
    }
  });

  it('shows only frames of the cloud that are valid', () => {
    const given = examples('cloud');
    expect(given.length).toBeGreaterThan(8);
    for (const line of given) decodeCloudFrame(line);
  });
});
