// A small run of `npm run fuzz`.
import { expect, it } from 'vitest';
import { properties } from './properties.ts';

it.each(properties.map((property) => [property.name, property] as const))('%s', (_, property) => {
  const { failed, counterexample, errorInstance, seed } = property.run(100, Math.trunc(Math.random() * 2 ** 31));
  expect({ failed, counterexample, errorInstance, seed }).toMatchObject({ failed: false });
});
