// The proxy configurations of infra/self-hosting.md, unchanged except for addresses: TLS in front of a cloud on loopback.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Household, type TestPhone } from '../end-to-end/household.ts';
import { freePort } from '../fixtures/free-port.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'infra/self-hosting.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'homeline-proxy-'));
const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
const path = `${process.env.PATH}:/usr/sbin`;
const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`], { env: { PATH: path } }).status === 0;

const snippet = (language: string) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';

interface Proxy {
  name: string;
  /** Writes the configuration and returns the command. */
  prepare(port: number, cloud: string): string[];
}

const nginx: Proxy = {
  name: 'nginx',
  prepare: (port, cloud) => {
    const server = snippet('nginx')
      .replace('listen 443', `listen 127.0.0.1:${port}`)
      .replace('server_name homeline.example.org', 'server_name localhost')
      .replace(/\/etc\/letsencrypt\S+fullchain\.pem/, certificate)
      .replace(/\/etc\/letsencrypt\S+privkey\.pem/, key)
      .replace('http://127.0.0.1:8787', cloud);
    const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (each) => `${each}_temp_path ${folder}/${each};`,
    );
    const file = join(folder, 'nginx.conf');
    const events = 'events {}';
    writeFileSync(file, `pid ${folder}/pid;\n${events}\nhttp {\naccess_log off;\n${own.join('\n')}\n${server}}\n`);
    return ['nginx', '-e', 'stderr', '-p', folder, '-c', file, '-g', 'daemon off;'];
  },
};

const caddy: Proxy = {
  name: 'caddy',
  prepare: (port, cloud) => {
    const site = snippet('caddy')
      .replace('homeline.example.org {', `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${certificate} ${key}`)
      .replace('127.0.0.1:8787', cloud.replace('http://', ''));
    const file = join(folder, 'Caddyfile');
    writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n\tgrace_period 1s\n}\n${site}`);
    return ['caddy', 'run', '--adapter', 'caddyfile', '--config', file];
  },
};

beforeAll(() => {
  chmodSync(folder, 0o755);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files], {
    stdio: 'pipe',
  });
  chmodSync(key, 0o644);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each([nginx, caddy])('behind $name', ({ name, prepare }) => {
  const missing = [name, 'openssl'].filter((command) => !has(command));
  if (missing.length > 0) process.stderr.write(`skipped: no ${missing.join(', ')} here to be a proxy with TLS\n`);

  describe.skipIf(missing.length > 0)('a household', () => {
    let household: Household;
    let phone: TestPhone;
    let proxy: ChildProcess;
    let agent: ChildProcess;
    let address: string;

    const open = async (path: string, token = household.ownerToken): Promise<IncomingMessage> => {
      const headers = { authorization: `Bearer ${token}` };
      const request = get(`https://${address}${path}`, { ca: readFileSync(certificate), headers, agent: false });
      const [answer] = await once(request, 'response');
      return answer;
    };

    beforeAll(async () => {
      household = await Household.open();
      phone = await household.addPhone('Kitchen');
      const port = await freePort();
      address = `localhost:${port}`;
      const [command = '', ...args] = prepare(port, household.url);
      const env = { PATH: path, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
      proxy = spawn(command, args, { env, stdio: 'ignore' });
      await household.until('the proxy answers', () =>
        open('/healthz').then(
          (answer) => answer.resume().statusCode === 200,
          () => false,
        ),
      );
      const { body } = await household.api('POST', '/homes/home/agents', { name: 'proxied' });
      agent = spawn(process.execPath, [join(root, 'edge-agent/main.ts')], {
        stdio: 'ignore',
        env: {
          NODE_EXTRA_CA_CERTS: certificate,
          HOMELINE_CLOUD: `wss://${address}`,
          HOMELINE_AGENT_TOKEN: body.token,
          HOMELINE_INTERFACE: 'lo',
          HOMELINE_TRUST: phone.phone.udn,
          HOMELINE_SSDP_PORT: String(household.ssdpPort),
          HOMELINE_DATA: join(folder, `agent-${name}`),
        },
      });
    });
    afterAll(async () => {
      for (const child of [agent, proxy]) {
        if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
      }
      await household.close();
    });

    it('has the dashboard and the API, and keeps the metrics to itself', async () => {
      const page = await open('/');
      expect([page.statusCode, await textOf(page)]).toEqual([200, expect.stringContaining('<script')]);
      const me = await open('/v1/me');
      expect(me.resume().statusCode).toBe(200);
      expect((await open('/metrics')).resume().statusCode).toBe(404);
    });

    it('has the agent’s tunnel, and each event at once on the stream and on the WebSocket', async () => {
      await household.phoneOnline('Kitchen');
      const stream = await open('/v1/homes/home/events');
      let heard = '';
      stream.on('data', (chunk) => {
        heard += chunk;
      });
      const socket = new WebSocket(`wss://${address}/v1/homes/home/events/ws`, {
        ca: readFileSync(certificate),
        headers: { authorization: `Bearer ${household.ownerToken}` },
      });
      const events: string[] = [];
      socket.on('message', (data) => events.push(data.toString()));
      await once(socket, 'open');
      await household.until('the stream has begun', () => heard.includes('retry:'));
      await phone.line.receive('+390110001', 'through the proxy');
      await household.until('the stream has it', () => heard.includes('through the proxy'));
      await household.until('the socket has it', () => events.join().includes('through the proxy'));
      stream.destroy();
      socket.close();
      const sent = await household.home('POST', '/messages', { messageClass: 'SMS', to: ['+390110001'], body: 'Yes!' });
      expect(sent.state).toBe('sent');
    });
  });
});
