// The Node host and clients that pipeline, are slow, hang up or speak no HTTP: their cost for others and their answers.
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from './raw-connection.ts';
import { ownerToken, patiently, RunningCloud } from './running-cloud.ts';

const cloud = new RunningCloud();
const bearer = `Authorization: Bearer ${ownerToken}\r\n`;
const host = 'Host: 127.0.0.1\r\n';
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n`;

beforeAll(() => cloud.start());
afterAll(() => cloud.stop());

describe('requests that are pipelined', () => {
  it.each(['/openapi.json', '/docs', '/v1/nothing'])(
    'are answered one at a time, 1,300 of %s, with other clients in between',
    async (path) => {
      const flood = await RawConnection.open(cloud.url);
      flood.write(get(path).repeat(1_300));
      let answered = 0;
      let served = 0;
      const answers = (async () => {
        while ((await flood.next()) !== undefined && ++answered < 1_300);
      })();
      while (answered < 1_300 && flood.isOpen) {
        expect((await fetch(`${cloud.url}/healthz`)).status).toBe(200);
        served++;
      }
      await answers;
      flood.close();
      expect(answered).toBe(1_300);
      expect(served).toBeGreaterThan(20);
    },
  );

  it('are answered in their order', async () => {
    const flood = await RawConnection.open(cloud.url);
    const paths = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? '/healthz' : `/v1/nothing-${n}`));
    flood.write(paths.map(get).join(''));
    const statuses: (number | undefined)[] = [];
    while (statuses.length < paths.length) statuses.push((await flood.next())?.status);
    expect(statuses).toEqual(paths.map((path) => (path === '/healthz' ? 200 : 404)));
    flood.close();
  });

  it('end the connection above the cap of waiting requests', async () => {
    const flood = await RawConnection.open(cloud.url);
    // With bodies, so that Node reads on to find their ends.
    flood.write(`POST /v1/nothing HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\n{}`.repeat(30_000));
    await flood.ended();
    expect((await cloud.get('/healthz')).body).toBe('ok');
  });

  it('cannot open a WebSocket in the middle of an answer', async () => {
    const connection = await RawConnection.open(cloud.url);
    connection.write(
      `${get('/docs')}GET /v1/tunnel HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    await connection.ended();
    expect(connection.heard).not.toContain('101');
  });
});

describe('a refusal by the parser is a problem document', () => {
  const withBody = 'POST /v1/homes/home/messages HTTP/1.1\r\n';
  it.each([
    [
      'headers of more than 16 KiB',
      `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['no HTTP', 'what\r\n\r\n', 400, 'invalid-request'],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, 'invalid-request'],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n', 400, 'invalid-request'],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 400, 'invalid-request'],
    ['CONNECT', `CONNECT example.org:443 HTTP/1.1\r\n${host}\r\n`, 405, 'method-not-allowed'],
    ['two lengths', `${withBody}${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400, 'invalid-request'],
    ['a coding that it does not know', `${withBody}${host}Transfer-Encoding: br\r\n\r\n`, 400, 'invalid-request'],
    [
      'another expectation',
      `${withBody}${host}Expect: wonders\r\nContent-Length: 1\r\n\r\n`,
      417,
      'expectation-failed',
    ],
    ['another name', 'GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n', 403, 'forbidden'],
  ])('%s', async (_, text, status, code) => {
    const connection = await RawConnection.open(cloud.url);
    const answer = await connection.write(text).next();
    expect([answer?.status, answer?.headers['content-type']]).toEqual([status, 'application/problem+json']);
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({
      type: `/docs/errors/${code}`,
      status,
      code,
      requestId: answer?.headers['x-request-id'],
    });
    connection.close();
  });

  it('headers that never end', async () => {
    const connection = await RawConnection.open(cloud.url);
    const answer = await connection.write('GET / HTTP/1.1\r\nHost: ').next();
    expect([answer?.status, JSON.parse(answer?.body ?? '').code]).toEqual([408, 'request-timeout']);
    await connection.ended();
  });
});

describe('a body that its client must not send', () => {
  it('is not asked for: 100 Continue is sent after the route accepted the request', async () => {
    const head = `POST /v1/homes/home/messages HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 2\r\nContent-Type: application/json\r\n`;
    const stranger = await RawConnection.open(cloud.url);
    expect((await stranger.write(`${head}\r\n`).next())?.status).toBe(401);
    await stranger.ended();
    const known = await RawConnection.open(cloud.url);
    expect((await known.write(`${head}${bearer}\r\n`).next())?.status).toBe(100);
    expect((await known.write('{}').next())?.status).toBe(400);
    known.close();
  });

  it.each([
    ['too large', bearer, 413],
    ['without a token', '', 401],
  ])('ends the connection when it is %s and chunked, and the next connection works', async (_, token, status) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < 10; n++) {
      const answer = await post(agent, 'x'.repeat(1_500_000), token);
      expect([answer.status, answer.connection]).toEqual([status, 'close']);
      expect((await post(agent, '{}', bearer)).status).toBe(400);
    }
    agent.destroy();
  });

  function post(agent: Agent, body: string, token: string) {
    return new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
      const [, secret = ''] = token.trim().split(': ');
      const headers = {
        'content-type': 'application/json',
        'transfer-encoding': 'chunked',
        ...(secret !== '' && { authorization: secret }),
      };
      const sent = request(`${cloud.url}/v1/homes/home/messages`, { agent, method: 'POST', headers }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, connection: answer.headers.connection }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
});

describe('a body that never arrives', () => {
  const signIn = (length: number) =>
    `POST /v1/sign-in HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{`;

  it('is refused at once if it would be over 2 KiB, with or without a token', async () => {
    for (const token of ['', bearer]) {
      const connection = await RawConnection.open(cloud.url);
      const head = signIn(2_049).replace(host, host + token);
      expect((await connection.write(head).next())?.status).toBe(413);
      await connection.ended();
    }
  });

  it('is awaited for 10 seconds, at most 256 without a token at once: the oldest makes room', async () => {
    const connections: RawConnection[] = [];
    for (let n = 0; n < 300; n++) connections.push((await RawConnection.open(cloud.url)).write(signIn(2_048)));
    const first = await Promise.all(connections.slice(0, 44).map((connection) => connection.next()));
    expect(new Set(first.map((answer) => answer?.status))).toEqual(new Set([503]));
    expect(first[0]?.headers['retry-after']).toBe('5');
    // An honest client without a token is still served.
    const honest = await cloud.post('/v1/sign-in', { code: 'x' }, { authorization: '' });
    expect([honest.status, honest.body.code]).toEqual([401, 'unauthorized']);
    const rest = await Promise.all(connections.slice(45).map((connection) => connection.next()));
    expect(new Set(rest.map((answer) => answer?.status))).toEqual(new Set([408]));
    await Promise.all(connections.map((connection) => connection.ended()));
  });

  it('logs no error when its client hangs up', async () => {
    for (const head of [
      signIn(2_048),
      `POST /v1/sign-in HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\n{`,
      `POST /v1/homes/home/messages HTTP/1.1\r\n${host}${bearer}Content-Length: 9\r\n\r\n{`,
    ]) {
      const before = await answered();
      const connection = await RawConnection.open(cloud.url);
      connection.write(head);
      await connection.flushed();
      connection.close();
      await expect.poll(answered, { ...patiently, interval: 300 }).toBeGreaterThan(before);
    }
    expect(cloud.logged).toEqual([]);
  });

  /** Answered POST requests, also those whose client was gone. */
  async function answered(): Promise<number> {
    const { body } = await cloud.get('/metrics');
    const counts = [...String(body).matchAll(/^homeline_request_seconds_count\{method="POST".*\} (\d+)$/gm)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }
});

describe('connections without a request', () => {
  it('make room for new ones, the oldest first', async () => {
    const silent: RawConnection[] = [];
    for (let n = 0; n < 1_050; n++) silent.push(await RawConnection.open(cloud.url));
    expect((await cloud.get('/healthz')).body).toBe('ok');
    const answers = await Promise.all(silent.slice(0, 50).map((connection) => connection.next()));
    expect(new Set(answers.map((answer) => answer?.status))).toEqual(new Set([503]));
    expect(silent.at(-1)?.isOpen).toBe(true);
    for (const connection of silent) connection.close();
  });

  it('are closed before those with a token when there are too many', async () => {
    const small = new RunningCloud({ connections: 10 });
    await small.start();
    try {
      const known = await RawConnection.open(small.url);
      const me = `GET /v1/me HTTP/1.1\r\n${host}${bearer}\r\n`;
      expect((await known.write(me).next())?.status).toBe(200);
      const strangers: RawConnection[] = [];
      for (let n = 0; n < 20; n++) {
        const stranger = await RawConnection.open(small.url);
        strangers.push(stranger);
        await stranger.write(get('/healthz')).next();
        expect((await known.write(me).next())?.status).toBe(200);
      }
      const told = await Promise.all(strangers.slice(0, 11).map((stranger) => stranger.next()));
      expect(new Set(told.map((answer) => answer?.status))).toEqual(new Set([503]));
      for (const connection of [known, ...strangers]) connection.close();
    } finally {
      await small.stop();
    }
  });
});
