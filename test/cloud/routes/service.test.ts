// What everybody may ask: is it there, is it ready, what can it do; and how errors look.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actionNames } from '../../../protocol/actions.ts';
import { errorCodes } from '../../../protocol/errors.ts';
import { RunningCloud } from '../hosts/running-cloud.ts';

const dashboardFolder = mkdtempSync(join(tmpdir(), 'homeline-dashboard-'));
mkdirSync(join(dashboardFolder, 'assets'));
writeFileSync(join(dashboardFolder, 'index.html'), '<!doctype html>the page');
writeFileSync(join(dashboardFolder, 'assets', 'app-1a2b3c.js'), 'void 0');
writeFileSync(join(tmpdir(), 'homeline-secret.txt'), 'secret');
const cloud = new RunningCloud({ dashboardFolder });

beforeAll(() => cloud.start());
afterAll(async () => {
  await cloud.stop();
  rmSync(dashboardFolder, { recursive: true });
  rmSync(join(tmpdir(), 'homeline-secret.txt'));
});

describe('GET /healthz, /readyz, /metrics', () => {
  it('answer without a token', async () => {
    const bare = { authorization: '' };
    expect((await cloud.get('/healthz', bare)).body).toBe('ok');
    expect((await cloud.get('/readyz', bare)).body).toBe('ready');
    const metrics = await cloud.get('/metrics', bare);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(metrics.body).toContain('homeline_tunnels 0');
    expect(metrics.body).toMatch(/homeline_request_seconds_count\{method="GET",route="\/healthz",status="200"\} \d/);
  });

  it('count by patterns, so that no identifier gets into a label', async () => {
    await cloud.get('/v1/homes/home/messages/m_00000000000000000000000042');
    await cloud.get('/v1/made-up-00000042');
    expect((await cloud.get('/metrics')).body).not.toContain('00000042');
  });
});

describe('GET /openapi.json and /docs', () => {
  it('tell of the Idempotency-Key at every POST that takes one', async () => {
    const { body } = await cloud.get('/openapi.json', { authorization: '' });
    const posts = Object.entries<{ post?: { parameters?: { name: string }[] } }>(body.paths).filter(
      ([, at]) => at.post,
    );
    const without = posts.filter(([, { post }]) => !post?.parameters?.some(({ name }) => name === 'Idempotency-Key'));
    // Who signs in or out is not known by a token to keep an answer for.
    expect(without.map(([path]) => path)).toEqual(['/v1/sign-in', '/v1/sign-out']);
    expect(posts.length).toBeGreaterThan(10);
  });

  it('describe every route that the contract names', async () => {
    const { body } = await cloud.get('/openapi.json', { authorization: '' });
    expect(body.openapi).toBe('3.1.0');
    const home = '/v1/homes/{home}';
    for (const [path, methods] of Object.entries({
      '/v1/homes': ['get'],
      [home]: ['get'],
      [`${home}/phones`]: ['get'],
      [`${home}/phones/{phone}/approve`]: ['post'],
      [`${home}/phones/{phone}/revoke`]: ['post'],
      [`${home}/phones/{phone}/identity`]: ['get'],
      [`${home}/phones/{phone}/capabilities`]: ['get'],
      [`${home}/phones/{phone}/actions/{action}`]: ['post'],
      [`${home}/messages`]: ['get', 'post'],
      [`${home}/messages/new`]: ['get'],
      [`${home}/messages/{id}`]: ['get', 'delete'],
      [`${home}/messages/{id}/read`]: ['post'],
      [`${home}/conversations`]: ['get'],
      [`${home}/sessions`]: ['get', 'post'],
      [`${home}/sessions/updates`]: ['get'],
      [`${home}/sessions/{id}`]: ['get', 'patch'],
      [`${home}/sessions/{id}/messages`]: ['get', 'post'],
      [`${home}/sessions/{id}/files`]: ['get', 'post'],
      [`${home}/sessions/{id}/files/cancel`]: ['post'],
      ...Object.fromEntries(
        ['accept', 'join', 'leave', 'close'].map((verb) => [`${home}/sessions/{id}/${verb}`, ['post']]),
      ),
      [`${home}/events`]: ['get'],
      [`${home}/events/ws`]: ['get'],
      [`${home}/dead-letters`]: ['get'],
      [`${home}/dead-letters/{id}/retry`]: ['post'],
      [`${home}/dead-letters/{id}`]: ['delete'],
      [`${home}/agents`]: ['get', 'post'],
      [`${home}/agents/{id}`]: ['delete'],
      '/v1/tokens': ['get', 'post'],
      '/v1/tokens/{id}': ['delete'],
      '/v1/tunnel': ['get'],
      '/v1/sign-in': ['post'],
      '/v1/sign-out': ['post'],
      '/v1/me': ['get'],
      '/healthz': ['get'],
      '/readyz': ['get'],
      '/metrics': ['get'],
    })) {
      expect(Object.keys(body.paths[path] ?? {}), path).toEqual(expect.arrayContaining(methods));
    }
    expect(JSON.stringify(body)).toContain(actionNames.join(', '));
    expect(Object.keys(body.components.schemas)).toEqual(
      expect.arrayContaining(['Message', 'Session', 'Phone', 'Home', 'Problem']),
    );
  });

  it('have a page for people, and one for each error', async () => {
    const docs = await cloud.get('/docs', { authorization: '' });
    expect(docs.body).toContain('POST /v1/homes/{home}/messages');
    expect(docs.body).toContain('messages:send');
    for (const [code, { title }] of Object.entries(errorCodes)) {
      const page = await cloud.get(`/docs/errors/${code}`, { authorization: '' });
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8']);
      expect(page.body).toContain(title);
    }
    expect((await cloud.get('/docs/errors/<script>')).status).toBe(404);
  });
});

describe('pages that are the same for everybody', () => {
  it.each(['/openapi.json', '/docs', '/docs/style.css', '/docs/errors/not-found'])(
    '%s has a strong ETag, and is not sent again to whoever has it',
    async (path) => {
      const plain = { authorization: '', 'accept-encoding': 'identity' };
      const first = await cloud.get(path, plain);
      const etag = first.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
      expect((await cloud.get(path, plain)).headers.get('etag')).toBe(etag);
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const again = await cloud.get(path, { ...plain, 'if-none-match': known });
        expect([again.status, again.body, again.headers.get('etag')]).toEqual([304, '', etag]);
      }
      expect((await cloud.get(path, { ...plain, 'if-none-match': '"other"' })).status).toBe(200);
    },
  );

  it('are sent compressed to clients that accept gzip, with a separate ETag', async () => {
    const plain = await cloud.get('/openapi.json', { 'accept-encoding': 'identity' });
    const small = await cloud.get('/openapi.json', { 'accept-encoding': 'br;q=1, gzip;q=0.8' });
    expect(small.body).toEqual(plain.body);
    expect([small.headers.get('content-encoding'), small.headers.get('vary')]).toEqual(['gzip', 'accept-encoding']);
    expect(small.headers.get('etag')).not.toBe(plain.headers.get('etag'));
    const refusing = await cloud.get('/openapi.json', { 'accept-encoding': 'gzip;q=0' });
    expect(refusing.headers.get('content-encoding')).toBeNull();
  });
});

it('/metrics is collected at most once a second, however often it is requested', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => cloud.get('/metrics', { authorization: '' })));
  // It counts itself: were each counted for itself, no two would be the same. They may lie on both sides of a second.
  expect(new Set(answers.map(({ body }) => body)).size).toBeLessThanOrEqual(3);
});

describe('the dashboard', () => {
  it('is served with its hashed files kept for ever and the page always fresh', async () => {
    const page = await cloud.get('/', { authorization: '' });
    expect([page.body, page.headers.get('cache-control')]).toEqual(['<!doctype html>the page', 'no-cache']);
    const script = await cloud.get('/assets/app-1a2b3c.js');
    expect(script.headers.get('cache-control')).toContain('immutable');
    expect(script.headers.get('content-type')).toContain('text/javascript');
  });

  it('is not sent again to a client that has it, and is sent after a new build', async () => {
    const script = await cloud.get('/assets/app-1a2b3c.js');
    const known = { 'if-none-match': script.headers.get('etag') ?? '' };
    expect((await cloud.get('/assets/app-1a2b3c.js', known)).status).toBe(304);
    writeFileSync(join(dashboardFolder, 'favicon.svg'), '<svg/>');
    const first = await cloud.get('/favicon.svg');
    writeFileSync(join(dashboardFolder, 'favicon.svg'), '<svg></svg>');
    const second = await cloud.get('/favicon.svg', { 'if-none-match': first.headers.get('etag') ?? '' });
    expect([first.body, second.status, second.body]).toEqual(['<svg/>', 200, '<svg></svg>']);
  });

  it('answers HEAD as it answers GET, without the page', async () => {
    const answer = await fetch(cloud.url, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
      200,
      expect.stringContaining('text/html'),
      '',
    ]);
  });

  it('is the page for its own addresses, and 404 for files and other requests', async () => {
    expect((await cloud.get('/conversations', { accept: 'text/html' })).body).toContain('the page');
    expect((await cloud.get('/conversations')).status).toBe(404);
    expect((await cloud.get('/assets/old.js', { accept: 'text/html' })).status).toBe(404);
    expect((await cloud.get('/v1/nothing', { accept: 'text/html' })).status).toBe(404);
  });

  it.each([
    '/..%2fhomeline-secret.txt',
    '/%2e%2e/homeline-secret.txt',
    '/assets/..%2f..%2fhomeline-secret.txt',
    '/%00.txt',
    '/%zz',
  ])('does not lead out of its folder by %s', async (path) => {
    const answer = await cloud.get(path);
    expect([answer.status, JSON.stringify(answer.body).includes('secret')]).toEqual([404, false]);
  });

  it('may do little in a browser, and says so on every answer', async () => {
    const { headers } = await cloud.get('/');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect((await cloud.get('/v1/me')).headers.get('cache-control')).toBe('no-store');
  });
});

describe('errors', () => {
  it('are problem details with the request’s id, also where there is nothing', async () => {
    const answer = await cloud.get('/v1/nothing');
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toEqual({
      type: '/docs/errors/not-found',
      title: 'There is no such thing',
      status: 404,
      detail: 'There is nothing at this address.',
      code: 'not-found',
      requestId: answer.headers.get('x-request-id'),
    });
  });

  it('name the methods that an address takes', async () => {
    const answer = await cloud.request('PUT', '/v1/homes/home/messages');
    expect([answer.status, answer.body.code, answer.headers.get('allow')]).toEqual([
      405,
      'method-not-allowed',
      'GET, POST',
    ]);
  });
});
